import type { Host } from "./host";

export type { End, Host, Shell } from "./host";
export { reason } from "./host";

/** The app in a build for it; else the one that plays it. */
export const host: Host =
  import.meta.env.PROD && import.meta.env.MODE !== "fake"
    ? (await import("./tauri")).host
    : (await import("./fake")).host;
