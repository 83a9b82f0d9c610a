import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const API = process.env.KB_API ?? "http://127.0.0.1:8080"; // the server behind `npm run dev`

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy allows no inline script; fonts and pictures are files too
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { "/v1": API, "/console/session": API, "/console/login-ways": API, "/console/login/oidc": API } },
});
