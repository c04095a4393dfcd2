// Makes ../data/families: for each kind of tokenizer the real vocabulary cut
// down to what some lines need, with what Hugging Face's own library gives for
// them; and parts.json, small changes of two of them that bring in the parts
// of tokenizer.json that these families do not use.
//
//   node make_families.mjs ../data/families      (see `make compare-tokenizers`)
//
// Lines are [text, ids, decoded, decoded without special tokens]; for random
// ids `text` is null.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import {llama2, packaged} from './families.mjs';
import {lines, random} from './lines.mjs';
import {variants} from './parts.mjs';
import {writeModel} from './sentencepiece.mjs';

const {Tokenizer} = createRequire(import.meta.url)('tokenizers');
const out = process.argv[2];
const kTokens = 420;

const families = {
  'llama-2': llama2,
  'llama-3.2': packaged('llama3_2'),
  'mistral-7b': packaged('llama2'),
  'mistral-nemo': packaged('mistral_nemo'),
  'gemma-1': packaged('gemma'),
  'gemma-3': packaged('gemma3'),
  'qwen-3': packaged('qwen3'),
};

const pairOf = merge => Array.isArray(merge) ? merge : merge.split(' ');
const idsOf = async (tokenizer, text) =>
    [...(await tokenizer.encode(text, null, {addSpecialTokens: false}))
         .getIds()];

// The added tokens that stay: those that chats need, and some of each kind.
function chosen(added) {
  const used = /^(<.?(s|bos|eos|pad|unk|mask|think|tool_call)>|\[\/?INST\])$|im_|turn|eot|header|_of_text|table|^[\n▁\t]{2,4}$/;
  return added.filter((token, i) => i < 3 || i === added.length - 1 ||
                          used.test(token.content))
      .slice(0, 40);
}

async function frequent(tokenizer, texts) {
  const counts = new Map();
  for (const text of texts)
    for (const id of await idsOf(tokenizer, text)) {
      const token = tokenizer.idToToken(id);
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, kTokens).map(([token]) => token);
}

// A copy of `json` that knows only `wanted`, what they are merged from, all
// bytes, and the chosen added tokens.
function cutDown(json, wanted) {
  const added = chosen(json.added_tokens);
  const first = new Map();  // how a token is made
  for (const merge of json.model.merges) {
    const [left, right] = pairOf(merge);
    if (!first.has(left + right)) first.set(left + right, [left, right]);
  }
  const kept = new Set();
  const keep = token => {
    if (kept.has(token) || !(token in json.model.vocab)) return;
    kept.add(token);
    first.get(token)?.forEach(keep);
  };
  wanted.forEach(keep);
  // Runs of spaces only together merge as all of them do.
  for (const token of Object.keys(json.model.vocab))
    if (/^(<0x[0-9A-F]{2}>|▁{2,16})$/.test(token) ||
        (json.pre_tokenizer?.type === 'Sequence' && [...token].length === 1 &&
         token.codePointAt(0) < 0x144))
      kept.add(token);
  for (const token of added) keep(token.content);
  for (const token of json.added_tokens)  // not half: an added one is chosen
    if (!added.includes(token)) kept.delete(token.content);
  const copy = structuredClone(json);
  const ids = Object.entries(json.model.vocab)
                  .filter(([token]) => kept.has(token))
                  .sort((a, b) => a[1] - b[1]);
  copy.model.vocab = Object.fromEntries(ids.map(([token], id) => [token, id]));
  copy.model.merges = json.model.merges.filter(merge => {
    const [left, right] = pairOf(merge);
    return kept.has(left) && kept.has(right) && kept.has(left + right);
  });
  let next = ids.length;
  copy.added_tokens = added.map(
      token => ({...token, id: copy.model.vocab[token.content] ?? next++}));
  const place = new Map(copy.added_tokens.map(t => [t.content, t.id]));
  const fix = part => {
    for (const token of Object.values(part?.special_tokens ?? {}))
      token.ids = [place.get(token.id) ?? 0];
    part?.processors?.forEach(fix);
  };
  fix(copy.post_processor);
  return copy;
}

async function expectations(json, texts, randoms) {
  const tokenizer = Tokenizer.fromString(JSON.stringify(json));
  const rows = [];
  const add = async (text, ids) => rows.push(
      [text, ids.join(' '), await tokenizer.decode(ids, false),
       await tokenizer.decode(ids, true)]);
  for (const text of texts) await add(text, await idsOf(tokenizer, text));
  const size = tokenizer.getVocabSize(true);
  const r = random(11);
  for (let i = 0; i < randoms; ++i)
    await add(null, Array.from({length: 1 + r.below(10)}, () => r.below(size)));
  return rows;
}

const save = (file, rows) => fs.writeFileSync(
    `${out}/${file}`,
    '[\n' + rows.map(row => JSON.stringify(row)).join(',\n') + '\n]\n');
const short = texts => texts.filter(text => text.length < 120);

const made = {};
for (const [name, read] of Object.entries(families)) {
  const {json} = await read();
  const specials = chosen(json.added_tokens).map(token => token.content);
  const texts = short(lines(5, 400, specials)).slice(0, 150);
  const whole = Tokenizer.fromString(JSON.stringify(json));
  made[name] = cutDown(json, await frequent(whole, texts));
  fs.mkdirSync(`${out}/${name}`, {recursive: true});
  fs.writeFileSync(
      `${out}/${name}/tokenizer.json`, JSON.stringify(made[name]) + '\n');
  save(`${name}/lines.json`, await expectations(made[name], texts, 40));
  if (['llama-2', 'gemma-3'].includes(name))
    fs.writeFileSync(`${out}/${name}/tokenizer.model`,
                     writeModel(made[name], name === 'llama-2'));
}

const rows = [];
for (const {base, change, specials = ['<s>']} of variants) {
  const json = {...structuredClone(made[base]), ...change(made[base])};
  const texts = short(lines(8, 120, specials)).slice(0, 40);
  const {added_tokens, normalizer, pre_tokenizer, decoder} = json;
  const {vocab, merges, ...options} = json.model;
  rows.push({
    base,
    change: {added_tokens, normalizer, pre_tokenizer, decoder},
    options,
    lines: await expectations(json, texts, 5)
  });
}
save('parts.json', rows);
