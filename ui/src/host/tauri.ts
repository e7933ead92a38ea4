// The app around the page. The only file that knows tauri.

import { Channel, invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { Host } from "./host";
import type {
  ApiError,
  DefaultSocket,
  EditPiece,
  FileChange,
  Images,
  ImageStep,
  LogPiece,
  NetworkInfo,
  PullPiece,
  Setting,
  SettingsChanged,
  Swarm,
  TerminalPiece,
  Usage,
  View,
  VolumeInfo,
  VolumeSize,
} from "./types";

/** Pieces of which the app hears together that they were taken: half of those that it has on their way. */
const TOLD_TOGETHER = 4;

/** Begins what tells pieces by a channel until it is ended by its number; only a few are on their way at a time. */
async function begin<T>(
  command: string,
  wish: Record<string, unknown>,
  each: (piece: T) => void,
): Promise<() => void> {
  let count = 0;
  const to = new Channel<T>((piece) => {
    each(piece);
    if (++count % TOLD_TOGETHER !== 0) return;
    // The first may come before the number.
    void begun.then((number) => invoke("taken", { number, count: TOLD_TOGETHER }));
  });
  const begun = invoke<number>(command, { ...wish, to });
  const number = await begun;
  return () => void invoke("unfollow", { number });
}

export const host: Host = {
  onView: (each) => begin<Partial<View>>("follow_view", {}, each),
  onShow: (each) => listen<string>("show", (event) => each(event.payload)),
  onComplaint: (each) => listen("complaint", () => each()),
  complaint: () => invoke<ApiError | null>("complaint"),
  act: (action) => invoke("act", { action }),
  browse: (port) => invoke("browse", { port }),
  quit: () => invoke("quit"),
  settings: () => invoke<Setting[]>("settings"),
  changeSettings: (changes) => invoke<SettingsChanged>("change_settings", { changes }),
  startsAtLogin: () => invoke<boolean>("starts_at_login"),
  startAtLogin: (on) => invoke("start_at_login", { on }),
  defaultSocket: () => invoke<DefaultSocket>("default_socket"),
  turnDefaultSocket: (on) => invoke<DefaultSocket>("turn_default_socket", { on }),
  swarm: () => invoke<Swarm>("swarm"),
  follow: (source, each) => begin<LogPiece>("follow", { source }, each),
  async shell(container, size, each) {
    const to = new Channel<TerminalPiece>(each);
    const number = await invoke<number>("open_terminal", { container, size, to });
    // One after the other: two that are on their way at once may arrive the other way round.
    let last: Promise<unknown> = Promise.resolve();
    const tell = (command: string, more: Record<string, unknown> = {}) => {
      last = last.then(() => invoke(command, { number, ...more }));
    };
    return {
      type: (text) => tell("type_into", { text }),
      resize: (size) => tell("resize_terminal", { size }),
      drawn: () => void invoke("drawn", { number }),
      end: () => tell("close_terminal"),
    };
  },
  images: () => invoke<Images>("images"),
  imageHistory: (id) => invoke<ImageStep[]>("image_history", { id }),
  pull: (name, each) => begin<PullPiece>("pull", { name }, each),
  volumes: () => invoke<VolumeInfo[]>("volumes"),
  volumeSizes: () => invoke<VolumeSize[]>("volume_sizes"),
  networks: () => invoke<NetworkInfo[]>("networks"),
  inspect: (thing, id) => invoke<string>("inspect", { thing, id }),
  changes: (container) => invoke<FileChange[]>("changes", { container }),
  usage: (container, each) => begin<Usage>("usage", { container }, each),
  watch: (each) => begin<EditPiece>("watch", {}, each),
};
