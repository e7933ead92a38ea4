import type { Host } from "./host";

export type { End, Host, Shell } from "./host";
export { reason } from "./host";

/**
 * The app in a build for it; else the one that plays it. Not awaited as the module loads: WebKit runs parts that
 * are fetched later before what they import, if that has waited for something.
 */
export async function findHost(): Promise<Host> {
  if (import.meta.env.PROD && import.meta.env.MODE !== "fake")
    return (await import("./tauri")).host;
  return (await import("./fake")).host;
}
