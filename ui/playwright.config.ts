import { createServer } from "node:net";
import { defineConfig } from "@playwright/test";

// Each process of a run reads this file: the first one takes a port, the others are told.
const port = Number((process.env.CORACLE_PAGE_PORT ??= String(await freePort())));

export default defineConfig({
  testDir: "page",
  workers: 1,
  reporter: [["list"], ["./page/tally.ts"]],
  use: {
    baseURL: `http://localhost:${port}`,
    // The system's own: Playwright's would be downloaded.
    launchOptions: { executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] },
    viewport: { width: 1120, height: 720 },
  },
  webServer: {
    command: `npm run build:fake && npx vite preview --outDir dist-fake --port ${port} --strictPort`,
    port,
    reuseExistingServer: false,
    timeout: 180_000,
  },
});

/** Free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer().once("error", failed);
    server.listen(0, "localhost", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address ? address.port : 0));
    });
  });
}
