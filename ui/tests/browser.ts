// What jsdom lacks of a browser: layout and dialogs.

import { vi } from "vitest";

export function standIn() {
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(800);
  globalThis.ResizeObserver ??= class {
    constructor(private readonly each: (entries: never[]) => void) {}
    observe() {
      this.each([]);
    }
    unobserve() {}
    disconnect() {}
  } as unknown as typeof ResizeObserver;
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
  };
}
