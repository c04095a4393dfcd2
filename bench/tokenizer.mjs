// Texts to token ids with Hugging Face's tokenizers, timed: each line of a file
// is a text. Prints JSON as bench/tokenizer.cc does.
//   npm install tokenizers       (in a directory of its own)
//   NODE_MODULES=…/node_modules RAYON_NUM_THREADS=1 node bench/tokenizer.mjs DIRECTORY FILE
// With `train` behind them it trains instead, as many tokens as its trainer does by
// itself (30,000), with the directory's pre-tokenizer, and prints the seconds.
import fs from "node:fs";
import {createRequire} from "node:module";
import path from "node:path";

const [directory, file, train] = process.argv.slice(2);
const require = createRequire(path.resolve(process.env.NODE_MODULES ?? "node_modules") + "/");
const {Tokenizer} = require("tokenizers");

const tokenizer = Tokenizer.fromFile(path.join(directory, "tokenizer.json"));
if (train) trainTokens();
else await encodeTexts();

function trainTokens() {
  const begin = performance.now();
  tokenizer.train([file]);
  console.log(JSON.stringify({seconds: (performance.now() - begin) / 1000,
    vocab_size: tokenizer.getVocabSize()}));
}

async function encodeTexts() {
  const bytes = fs.readFileSync(file);
  const texts = bytes.toString("utf8").split("\n");
  if (texts.at(-1) === "") texts.pop();

  const kRounds = 5;
  const seconds = [];
  let encodings;
  for (let round = 0; round < kRounds; ++round) {
    const begin = performance.now();
    encodings = await tokenizer.encodeBatch(texts, {addSpecialTokens: false});
    seconds.push((performance.now() - begin) / 1000);
  }
  let hash = 14695981039346656037n, tokens = 0;
  for (const encoding of encodings)
    for (const id of encoding.getIds()) {
      hash = ((hash ^ BigInt(id)) * 1099511628211n) & 0xffffffffffffffffn;
      ++tokens;
    }
  seconds.sort((a, b) => a - b);
  console.log(JSON.stringify({
    megabytes_per_second: Number((bytes.length / 1e6 / seconds[seconds.length >> 1]).toFixed(1)),
    tokens, hash: (hash & 0xffffffffn).toString(16).padStart(8, "0")}));
}
