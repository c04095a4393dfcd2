// Writes, for each family, a model directory and what Hugging Face's own
// library (npm `tokenizers`, the Rust one) makes of many lines with it:
//
//   OUT/FAMILY/tokenizer.json, tokenizer_config.json
//   OUT/FAMILY.jsonl   [text, ids, decoded, decoded without special tokens]
//                      or [null, random ids, decoded, decoded without …]
//   OUT/FAMILY-sentencepiece/tokenizer.model, …-sentencepiece.jsonl
//                      for Llama 2, Mistral 7B, Gemma 2 and 3: the same
//                      vocabulary in SentencePiece's format, the same lines
//
//   node references.mjs OUT [COUNT [FAMILY…]]
//
// `compare` then encodes and decodes the same lines with Seodang. The library
// in JavaScript (npm `@huggingface/tokenizers`) is asked too, and where it
// deviates from the Rust one the first lines are printed.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import {Tokenizer as JsTokenizer} from '@huggingface/tokenizers';
import {llama2, mistralV3, packaged} from './families.mjs';
import {lines, random} from './lines.mjs';
import {writeModel} from './sentencepiece.mjs';

const {Tokenizer} = createRequire(import.meta.url)('tokenizers');

const families = {
  'llama-2': llama2,
  'llama-3': packaged('llama3'),
  'llama-3.1': packaged('llama3_1'),
  'llama-3.2': packaged('llama3_2'),
  'mistral-7b': packaged('llama2'),  // the package's name is wrong
  'mistral-7b-v0.3': mistralV3,
  'mistral-nemo': packaged('mistral_nemo'),
  'gpt-2': packaged('gpt2'),  // of SmolLM's shape, but for its digits
  'gemma-1': packaged('gemma'),
  'gemma-2': packaged('gemma2'),
  'gemma-3': packaged('gemma3'),
  'qwen-2.5': packaged('qwen2_5'),
  'qwen-3': packaged('qwen3'),
};

function writeSentencePiece(out, name, json, config) {
  const folder = `${out}/${name}-sentencepiece`;
  fs.mkdirSync(folder, {recursive: true});
  fs.writeFileSync(
      `${folder}/tokenizer.model`,
      writeModel(json, json.normalizer.type === 'Sequence'));
  fs.writeFileSync(`${folder}/tokenizer_config.json`, JSON.stringify(config));
  fs.copyFileSync(`${out}/${name}.jsonl`, `${folder}.jsonl`);
}

async function write(out, name, count) {
  const {json, config} = await families[name]();
  const text = JSON.stringify(json);
  fs.mkdirSync(`${out}/${name}`, {recursive: true});
  fs.writeFileSync(`${out}/${name}/tokenizer.json`, text);
  fs.writeFileSync(
      `${out}/${name}/tokenizer_config.json`, JSON.stringify(config));
  const tokenizer = Tokenizer.fromString(text);
  const js = new JsTokenizer(json, config);
  const file = fs.createWriteStream(`${out}/${name}.jsonl`);
  const specials = json.added_tokens.map(token => token.content).slice(0, 400);
  const deviations = [];
  let written = 0;
  const add = async (line, ids) => {
    const all = await tokenizer.decode(ids, false);
    const clean = await tokenizer.decode(ids, true);
    file.write(JSON.stringify([line, ids, all, clean]) + '\n');
    ++written;
  };
  for (const line of lines(20261123, count, specials)) {
    const encoding =
        await tokenizer.encode(line, null, {addSpecialTokens: false});
    const ids = [...encoding.getIds()];
    await add(line, ids);
    if (js.encode(line, {add_special_tokens: false}).ids.join() !== ids.join())
      deviations.push(line);
  }
  const size = Math.max(
      Object.keys(json.model.vocab).length,
      ...json.added_tokens.map(token => token.id + 1));
  const r = random(7);
  for (let i = 0; i < count / 6; ++i)  // the first ids are often bytes
    await add(null, Array.from({length: 1 + r.below(12)},
                               () => r.below(r.below(2) ? size : 270)));
  await new Promise(done => file.end(done));
  // Gemma 1's file does not tell which pieces are user-defined; the merges of
  // Mistral 7B v0.3 are not grouped by what they make, as scores would be.
  if (json.model.byte_fallback && name !== 'gemma-1' &&
      name !== 'mistral-7b-v0.3')
    writeSentencePiece(out, name, json, config);
  console.log(`${name}: ${written} lines; the JavaScript library deviates on ${
      deviations.length}` +
      deviations.slice(0, 2).map(line => '\n  ' + JSON.stringify(line)).join(''));
}

const [out, count = 12000, ...chosen] = process.argv.slice(2);
for (const name of chosen.length ? chosen : Object.keys(families))
  await write(out, name, Number(count));
