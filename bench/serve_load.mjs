// What bench/serve_load.py asks a server, asked of llama.cpp by parallel calls:
// as many sequences of one context as there are clients, whose tokens are
// computed together.
//   npm install node-llama-cpp       (in a directory of its own)
//   NODE_MODULES=…/node_modules node bench/serve_load.mjs MODEL.gguf CLIENTS REQUESTS MAX_TOKENS [THREADS]
// Prints {"rate": tokens a second of all, "first": [seconds to each first token]}.
import {createRequire} from "node:module";
import os from "node:os";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [file, ...numbers] = process.argv.slice(2);
const [clients, requests, maxTokens, threads = os.availableParallelism()] = numbers.map(Number);
const root = path.resolve(process.env.NODE_MODULES ?? "node_modules");
const require = createRequire(root + "/");
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")));
const seconds = () => performance.now() / 1000;

const llama = await getLlama({gpu: false, build: "never", logLevel: "error",
  maxThreads: threads});
const model = await llama.loadModel({modelPath: path.resolve(file)});
const context = await model.createContext({contextSize: 512, sequences: clients,
  batchSize: 512, threads: {ideal: threads, min: threads}});
const sequences = Array.from({length: clients}, () => context.getSequence());

async function ask(sequence, number) {
  const begin = seconds();
  await sequence.clearHistory();
  const prompt = model.tokenize(`The capital of Korea, in number ${number}, is`);
  let tokens = 0, first;
  for await (const token of sequence.evaluate(prompt,
      {temperature: 0, yieldEogToken: true})) {
    first ??= seconds() - begin;
    if (++tokens === maxTokens || model.isEogToken(token)) break;
  }
  return {tokens, first};
}

await ask(sequences[0], 0);
const results = [];
const begin = seconds();
await Promise.all(sequences.map(async (sequence, which) => {
  for (let i = 0; i < requests; ++i)
    results.push(await ask(sequence, 1000 * clients + 100 * which + i));
}));
const rate = results.reduce((sum, {tokens}) => sum + tokens, 0) / (seconds() - begin);
console.log(JSON.stringify({rate, first: results.map(({first}) => first)}));
process.exit(0);
