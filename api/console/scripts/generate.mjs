// Writes generated/schema.d.ts: the types of the REST API, from the document that the server itself serves.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";
import { consoleFolder, python } from "./python.mjs";

const DOCUMENT = `
import json
import sys
import tempfile
from pathlib import Path

from api.app import create_app
from api.knowledge_base import KnowledgeBase
from infra.settings import load_settings

with tempfile.TemporaryDirectory() as folder:
    settings = load_settings().model_copy(update={"data_dir": Path(folder)})
    with KnowledgeBase.open(settings) as kb:
        json.dump(create_app(kb, settings).openapi(), sys.stdout)
`;

/** Whether the types could be written: there is an interpreter with the package. */
export async function generate() {
  const document = python(DOCUMENT);
  if (document === null) return false;
  const types = astToString(await openapiTS(JSON.parse(document), { defaultNonNullable: false }));
  const folder = join(consoleFolder, "generated");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "schema.d.ts"), types);
  return true;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href && !(await generate())) {
  console.error("No interpreter with the package was found; name it by KB_PYTHON, or run `make core` first.");
  process.exit(1);
}
