// Reading a prompt and writing on through llama.cpp, timed, on random tokens.
// Prints JSON. The lengths and repetitions are those of bench/generate.cc.
//   npm install node-llama-cpp       (in a directory of its own)
//   NODE_MODULES=…/node_modules node bench/generate.mjs MODEL.gguf [THREADS]
import {createRequire} from "node:module";
import os from "node:os";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [file, given] = process.argv.slice(2);
const root = path.resolve(process.env.NODE_MODULES ?? "node_modules");
const require = createRequire(root + "/");
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")));

const kRepeats = 3, kContext = 2048, kNewTokens = 64;
const threads = Number(given ?? os.availableParallelism());
const seconds = () => performance.now() / 1000;

const begin = seconds();
const llama = await getLlama({gpu: false, build: "never", logLevel: "error",
  maxThreads: threads});
const model = await llama.loadModel({modelPath: path.resolve(file)});
const context = await model.createContext({contextSize: kContext, batchSize: 512,
  threads: {ideal: threads, min: threads}});
const sequence = context.getSequence();
const loadSeconds = seconds() - begin;

const vocabulary = [...model.iterateAllTokens()].length;
let state = 1;  // of a linear congruential generator
const random = () =>
  (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % vocabulary;

// The token that greedily follows `tokens`.
async function read(tokens) {
  await sequence.clearHistory();
  const results = await sequence.controlledEvaluate([...tokens.slice(0, -1),
    [tokens.at(-1), {generateNext: {token: true, options: {temperature: 0}}}]]);
  return results.at(-1).next.token;
}

let next = 0;
async function prefill(length) {
  const spent = [];
  for (let i = 0; i <= kRepeats; ++i) {
    const prompt = Array.from({length}, random);
    const start = seconds();
    next = await read(prompt);
    if (i > 0) spent.push(seconds() - start);
  }
  return length / spent.sort((a, b) => a - b)[spent.length >> 1];
}

async function decode() {
  let written = 0, start;
  for await (const token of sequence.evaluate([next],
      {temperature: 0, yieldEogToken: true})) {
    if (written === 0) start = seconds();  // the first one warms up
    if (written++ === kNewTokens) break;
  }
  return kNewTokens / (seconds() - start);
}

const out = {load_seconds: loadSeconds, prefill_1024: await prefill(1024),
  prefill_128: await prefill(128), decode: await decode(),
  threads: context.currentThreads};
await context.dispose();
await model.dispose();
console.log(JSON.stringify(out));
process.exit(0);
