// Whether somebody looks at the page. What is told second by second keeps the VM awake, and it is told only
// while this is so.

/** Without a key, a pointer or the window coming to the front; shorter than the VM waits before it sleeps. */
export const PATIENCE_MS = 5 * 60_000;

const SIGNS = ["pointermove", "pointerdown", "keydown", "wheel", "focus"] as const;

export class Attention {
  looks = $state(true);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = 0;

  /** Begins to watch; what it returns ends that. */
  begin(): () => void {
    const sign = () => {
      // A pointer that moves says so a hundred times a second.
      if (this.looks && Date.now() - this.last < 1000) return;
      this.last = Date.now();
      clearTimeout(this.timer);
      this.looks = document.visibilityState === "visible";
      if (this.looks) this.timer = setTimeout(() => (this.looks = false), PATIENCE_MS);
    };
    const seen = () => {
      this.last = 0;
      if (document.visibilityState === "visible") sign();
      else {
        clearTimeout(this.timer);
        this.looks = false;
      }
    };
    SIGNS.forEach((name) => addEventListener(name, sign, { passive: true }));
    document.addEventListener("visibilitychange", seen);
    seen();
    return () => {
      clearTimeout(this.timer);
      SIGNS.forEach((name) => removeEventListener(name, sign));
      document.removeEventListener("visibilitychange", seen);
    };
  }
}
