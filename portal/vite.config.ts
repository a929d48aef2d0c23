import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  base: "/portal/",
  build: {
    outDir: "../gmn_pipeline/serving/portal/built",
    emptyOutDir: true,
    assetsDir: ".",
    // One file each: what is asked for once is there at once, and the whole is small. Finer
    // outlines of the world come by themselves, when somebody looks from near.
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    modulePreload: false,
    chunkSizeWarningLimit: 900,
  },
  // Modules of the logic hold nothing, so files of tests can share a worker.
  test: { include: ["src/**/*.test.ts"], isolate: false },
});
