import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const API = process.env.KB_API ?? "http://127.0.0.1:8080"; // the server behind `npm run dev`

// What several pages use travels in one file: two dozen small ones cost more than the few kilobytes that one page of
// them does without. From seven pages on: with five the first load exceeds its bound (test_console_size.py).
const COMMON = /node_modules.(@mantine|@tanstack|lucide-react|openapi-fetch|react)|src.(api|components.\w+\.|hooks|i18n.(?!zh)|lib)/;
// The first script must not wait for that file.
const FIRST = /preload-helper|src.(api.early|app.files|base|lib.storage)/;
const PAGES_IN_COMMON = 7;

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy allows no inline script; fonts and pictures are files too
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "first", test: FIRST, priority: 1 },
            { name: "common", test: COMMON, minShareCount: PAGES_IN_COMMON },
          ],
        },
      },
    },
  },
  server: { proxy: { "/v1": API, "/console/session": API, "/console/login-ways": API, "/console/login/oidc": API } },
});
