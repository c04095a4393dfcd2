// Makes model/ and encodings.json: a small tokenizer of ours, and the ids that
// Hugging Face's own library gives with it for 2,400 varied lines.
//
//   npm install @huggingface/tokenizers
//   node make_encodings.mjs path/to/seodang
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import {Tokenizer} from '@huggingface/tokenizers';

const here = new URL('.', import.meta.url).pathname;
execFileSync(process.argv[2], [
  'tokenizer', 'train', here + 'sample.txt', '-o', here + 'model',
  '--vocab-size', '800', '--min-frequency', '1'
]);
const read = name => JSON.parse(fs.readFileSync(`${here}model/${name}`));
const tokenizer =
    new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'));

let state = 20261123;
const below = n => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const pick = items => items[below(items.length)];

const words = fs.readFileSync(here + 'sample.txt', 'utf8').split(/(?<=\s)/);
const emoji = [
  '👨‍👩‍👧‍👦', '👍🏽', '🇰🇷', '❤️', '🏳️‍🌈', '😀', '1️⃣'
];
const odd = [
  ' ', '  ', '     ', '\t', '\n', '\n\n', '\r\n', '\r', '\u00a0', '\u3000',
  '\u200b', '\u2028', '\u000b', '\f', '\0', '\u001b', '\u007f', 'é', 'e\u0301',
  'ß', 'ſ', '\'s', '\'S', '\'LL', '\'re', '½', 'Ⅳ', '٣', '१२', '12345', '007',
  '<|eot_id|>', '<|begin_of_text|>', '<|eot_id', '<||>', '\u1112\u1161\u11ab',
  'ㅎㅏㄴ', 'ﬁ', 'İ', '𝒳', '𠮷', 'a', 'Z', '_', '-', '...', '!?', '(', '});',
  '://', '\u0300', 'ก็', 'Ġ', 'Ċ'
];
const scalar = () => {
  const c = below(2) ? below(0x3000) : below(0x110000);
  // Not the two that JavaScript's \s takes otherwise than Unicode's White_Space.
  return (c >= 0xd800 && c < 0xe000) || c === 0x85 || c === 0xfeff ? 0xd55c : c;
};
const several = (n, one) => Array.from({length: n}, one).join('');
const kinds = [
  () => several(1 + below(5), () => pick(words)).trim(),
  () => several(1 + below(3), () => pick(words)).normalize('NFD'),
  () => several(1 + below(6), () => pick(odd)),
  () => several(1 + below(4), () => pick([pick(odd), pick(emoji), pick(words)])),
  () => several(1 + below(5), () => String.fromCodePoint(scalar())),
];

const lines = [];
for (let i = 0; i < 2400; ++i) {
  const text = kinds[i % kinds.length]();
  lines.push(
      [text, tokenizer.encode(text, {add_special_tokens: false}).ids.join(' ')]);
}
fs.writeFileSync(
    here + 'encodings.json',
    '[\n' + lines.map(line => JSON.stringify(line)).join(',\n') + '\n]\n');
