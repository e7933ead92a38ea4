// What the page needs of the app around it. `tauri.ts` is the real one, `fake.ts` plays it.

import type {
  Action,
  ApiError,
  DefaultSocket,
  EditPiece,
  FileChange,
  Images,
  ImageStep,
  LogPiece,
  LogSource,
  NetworkInfo,
  PullPiece,
  Setting,
  SettingChange,
  SettingsChanged,
  Swarm,
  TerminalPiece,
  TerminalSize,
  Thing,
  Usage,
  View,
  VolumeInfo,
  VolumeSize,
} from "./types";

/** Ends what a call has begun. */
export type End = () => void;

/** A shell in a container. */
export interface Shell {
  type(text: string): void;
  resize(size: TerminalSize): void;
  /** Says that a piece has been drawn: only a few are on their way at a time. */
  drawn(): void;
  /** Ends it with all that runs in it. */
  end: End;
}

export interface Host {
  /** All that is known, and then what of it changes, each field as it is then, until it is ended. */
  onView(each: (change: Partial<View>) => void): Promise<End>;
  /** A place of the page that the tray asks for. */
  onShow(each: (place: string) => void): Promise<End>;
  /** Something has failed that the tray had begun; `complaint` has it. */
  onComplaint(each: () => void): Promise<End>;
  /** What failed in the tray and was not asked for yet. */
  complaint(): Promise<ApiError | null>;
  /** Does something; ends when it is done, fails with an `ApiError`. */
  act(action: Action): Promise<void>;
  /** Shows a published port in the browser. */
  browse(port: number): Promise<void>;
  /** Ends the app; daemon and containers go on. */
  quit(): Promise<void>;
  settings(): Promise<Setting[]>;
  changeSettings(changes: SettingChange[]): Promise<SettingsChanged>;
  /** Whether the app comes into the tray with the person's session. */
  startsAtLogin(): Promise<boolean>;
  startAtLogin(on: boolean): Promise<void>;
  /** Whose engine programs find that look for Docker at its default socket. */
  defaultSocket(): Promise<DefaultSocket>;
  /** Asks the person for root's rights. */
  turnDefaultSocket(on: boolean): Promise<DefaultSocket>;
  swarm(): Promise<Swarm>;
  /** A log from its beginning and as it grows. */
  follow(source: LogSource, each: (piece: LogPiece) => void): Promise<End>;
  shell(
    container: string,
    size: TerminalSize,
    each: (piece: TerminalPiece) => void,
  ): Promise<Shell>;
  images(): Promise<Images>;
  imageHistory(id: string): Promise<ImageStep[]>;
  /** Fetches an image; ended before its end, it is left. */
  pull(name: string, each: (piece: PullPiece) => void): Promise<End>;
  volumes(): Promise<VolumeInfo[]>;
  /** Takes as long as the engine needs to count all files. */
  volumeSizes(): Promise<VolumeSize[]>;
  networks(): Promise<NetworkInfo[]>;
  /** All that the engine knows of something, as JSON for people. */
  inspect(thing: Thing, id: string): Promise<string>;
  changes(container: string): Promise<FileChange[]>;
  /** What a container takes, each second. Keeps the VM awake until it is ended. */
  usage(container: string, each: (usage: Usage) => void): Promise<End>;
  /** Edits on their way into containers. */
  watch(each: (piece: EditPiece) => void): Promise<End>;
}

/** The sentence of a failure, whatever was thrown. */
export function reason(error: unknown): string {
  if (typeof error === "object" && error !== null && "message" in error) {
    return String(error.message);
  }
  return String(error);
}
