// What takes the VM down, and what is lost by it: asked by the header, the settings and the tray.

import type { AppState } from "./app.svelte";

const LOST =
  "all that runs in it is stopped, and what is in its memory is lost. Containers without a restart policy stay " +
  "down until they are started. Files, images and volumes stay.";

/** Suspends the VM, which loses nothing; asks where it would be a shutdown. */
export function suspend(app: AppState) {
  const why = app.view.status?.vm.cannot_suspend;
  if (!why) return void app.act({ do: "suspend" });
  app.ask({
    title: "Shut the VM down?",
    loss: `${why} If it is, ${LOST}`,
    yes: "Shut down",
    act: () => void app.act({ do: "shut-down" }),
  });
}

export function restart(app: AppState) {
  app.ask({
    title: "Restart the VM?",
    loss: `It is shut down and booted: ${LOST}`,
    yes: "Restart",
    act: () => void app.act({ do: "restart" }),
  });
}

/** Changes what the memory of a suspended VM may not fit, if that is wanted. */
export function bootNext(app: AppState, changed: readonly string[], act: () => void) {
  app.ask({
    title: "Change it while the VM is suspended?",
    loss:
      `Its memory may not fit what is changed (${changed.join(", ")}). If it does not, the VM boots when it is used ` +
      `next, in place of going on: ${LOST}`,
    yes: "Change",
    act,
  });
}
