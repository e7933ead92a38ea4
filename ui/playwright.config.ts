import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "page",
  workers: 1,
  reporter: [["list"], ["./page/tally.ts"]],
  use: {
    baseURL: "http://localhost:5199",
    // The system's own: Playwright's would be downloaded.
    launchOptions: { executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] },
    viewport: { width: 1120, height: 720 },
  },
  webServer: {
    command: "npm run build:fake && npx vite preview --outDir dist-fake --port 5199 --strictPort",
    port: 5199,
    reuseExistingServer: false,
    timeout: 180_000,
  },
});
