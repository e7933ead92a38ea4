import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte(), svelteTesting()],
  // The page is served from the root of tauri's own scheme.
  base: "/",
  build: { target: "es2022", chunkSizeWarningLimit: 1000 },
  server: { port: 5199, strictPort: true },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.ts"],
    reporters: ["default", "./tests/tally.ts"],
  },
});
