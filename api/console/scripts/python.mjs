// The interpreter that has the package installed: it knows the API's OpenAPI document.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const consoleFolder = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const repository = resolve(consoleFolder, "..", "..");
const candidates = [process.env.KB_PYTHON, resolve(repository, ".venv", "bin", "python"), "python3"];

/** Run `code` in the repository; the text it printed, or null where no interpreter can import the package. */
export function python(code) {
  for (const name of candidates) {
    if (!name || (name.includes("/") && !existsSync(name))) continue;
    const ready = spawnSync(name, ["-c", "import fastapi, orjson, sqlalchemy"], { cwd: repository });
    if (ready.status !== 0) continue;
    const done = spawnSync(name, ["-c", code], { cwd: repository, encoding: "utf8", maxBuffer: 1 << 28 });
    if (done.status !== 0) throw new Error(`${name} cannot write the OpenAPI document:\n${done.stderr}`);
    return done.stdout;
  }
  return null;
}
