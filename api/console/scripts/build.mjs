// Types of the API, type check, pages. Where the package is not installed yet (an isolated `pip install`), the types
// cannot be generated; the pages do not need them to run, so only the check is left out, and that is said.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { generate } from "./generate.mjs";
import { consoleFolder } from "./python.mjs";

function run(...command) {
  const script = join(consoleFolder, "node_modules", ...command[0].split("/"));
  const done = spawnSync(process.execPath, [script, ...command.slice(1)], { cwd: consoleFolder, stdio: "inherit" });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

if (await generate()) run("typescript/bin/tsc", "--noEmit");
else console.error("warning: the package is not installed yet, so the console is not checked against its API");
run("vite/bin/vite.js", "build", "--logLevel", "warn");
