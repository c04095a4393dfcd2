// Reads cases (JSON lines) and writes, for each, what @huggingface/jinja makes
// of it: {"text": …} or {"error": …}.
//
//     node render.mjs NODE_MODULES < cases.jsonl > theirs.jsonl
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const library = path.join(process.argv[2], "@huggingface/jinja/dist/index.js");
const { Template } = await import(pathToFileURL(path.resolve(library)));

// The library tells the time itself; every case is rendered at one moment.
class Fixed extends Date {
  constructor(...given) {
    super(...(given.length ? given : ["2024-07-26T13:05:09"]));
  }
}
globalThis.Date = Fixed;

for (const line of fs.readFileSync(0, "utf8").split("\n")) {
  if (!line) continue;
  const { template, variables } = JSON.parse(line);
  let result;
  try {
    result = { text: new Template(template).render(variables) };
  } catch (error) {
    result = { error: String(error.message ?? error).split("\n")[0] };
  }
  process.stdout.write(JSON.stringify(result) + "\n");
}
