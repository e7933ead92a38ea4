// The app around the page. The only file that knows tauri.

import { Channel, invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { Host } from "./host";
import type { ApiError, EditPiece, LogPiece, Setting, SettingsChanged, Swarm, View } from "./types";

export const host: Host = {
  view: () => invoke<View>("view"),
  onView: (each) => listen<View>("view", (event) => each(event.payload)),
  onShow: (each) => listen<string>("show", (event) => each(event.payload)),
  onComplaint: (each) => listen<ApiError>("complaint", (event) => each(event.payload)),
  complaint: () => invoke<ApiError | null>("complaint"),
  act: (action) => invoke("act", { action }),
  browse: (port) => invoke("browse", { port }),
  settings: () => invoke<Setting[]>("settings"),
  changeSettings: (changes) => invoke<SettingsChanged>("change_settings", { changes }),
  startsAtLogin: () => invoke<boolean>("starts_at_login"),
  startAtLogin: (on) => invoke("start_at_login", { on }),
  swarm: () => invoke<Swarm>("swarm"),
  async follow(source, each) {
    const to = new Channel<LogPiece>(each);
    const number = await invoke<number>("follow", { source, to });
    return () => void invoke("unfollow", { number });
  },
  async watch(each) {
    const to = new Channel<EditPiece>(each);
    const number = await invoke<number>("watch", { to });
    return () => void invoke("unfollow", { number });
  },
};
