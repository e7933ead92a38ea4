// Colours for what is drawn on a canvas or by another's code, which know no style sheet: the same as in `app.css`.

import type { ITheme } from "@xterm/xterm";

// Each is read well on its ground, as WCAG counts it.
const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#17222b",
  cursor: "#11657f",
  cursorAccent: "#ffffff",
  selectionBackground: "#c4dde6",
  black: "#17222b",
  red: "#b3261e",
  green: "#1a7a3d",
  yellow: "#7d5a00",
  blue: "#1d5fb4",
  magenta: "#8a3a9c",
  cyan: "#11657f",
  white: "#55636e",
  brightBlack: "#55636e",
  brightRed: "#c0392b",
  brightGreen: "#1a7a3d",
  brightYellow: "#7d5a00",
  brightBlue: "#2468bf",
  brightMagenta: "#9b45ad",
  brightCyan: "#0d6d87",
  brightWhite: "#17222b",
};

const DARK: ITheme = {
  background: "#1a232b",
  foreground: "#e8eef2",
  cursor: "#4fb3d0",
  cursorAccent: "#1a232b",
  selectionBackground: "#35505d",
  black: "#8a97a1",
  red: "#ff8d85",
  green: "#4cc77b",
  yellow: "#e0b656",
  blue: "#7fb4ff",
  magenta: "#d79be6",
  cyan: "#6cc8e4",
  white: "#e8eef2",
  brightBlack: "#a3b2bd",
  brightRed: "#ffa9a3",
  brightGreen: "#7bdda0",
  brightYellow: "#f0cd80",
  brightBlue: "#a5caff",
  brightMagenta: "#e6bdf0",
  brightCyan: "#9adcef",
  brightWhite: "#ffffff",
};

export function terminalColours(dark: boolean): ITheme {
  return dark ? DARK : LIGHT;
}

export interface PlotColours {
  text: string;
  line: string;
  series: readonly string[];
  fill: string;
}

export function plotColours(dark: boolean): PlotColours {
  return dark
    ? { text: "#a3b2bd", line: "#26313a", series: ["#4fb3d0", "#e0b656"], fill: "#4fb3d022" }
    : { text: "#55636e", line: "#e6ebef", series: ["#11657f", "#b06a00"], fill: "#11657f1c" };
}
