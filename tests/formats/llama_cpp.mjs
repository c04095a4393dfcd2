// A model's logits and greedy continuation, ours and llama.cpp's, on one GGUF
// file. Not part of `make test`: it needs npm's node-llama-cpp, in a directory
// of its own.
//
//   npm install node-llama-cpp       (there; NODE_MODULES names its node_modules)
//   NODE_MODULES=… node compare_llama_cpp.mjs PROGRAM MODEL.gguf [PROMPT]…
//
// Prints for each prompt the largest difference of logits (each less its mean:
// a constant changes no probability) among the tokens that either finds among
// its 1,000 most probable, and how many of 64 greedy tokens are the same.
// Both read the same token ids, those of our tokenizer. Exits with 1 when a
// continuation differs where llama.cpp's two best tokens are further apart than
// the largest difference.
import {execFileSync} from "node:child_process";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import path from "node:path";

const [program, file, ...given] = process.argv.slice(2);
const prompts = given.length > 0 ? given : ["The capital of", "대한민국의 수도는", "1 + 1 ="];
const root = path.resolve(process.env.NODE_MODULES ?? "node_modules");
const require = createRequire(root + "/");
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")));

const kNew = 64, kTop = 1000;

function ours(prompt, count) {
  return JSON.parse(execFileSync(program, ["generate", file, prompt, "--json",
    "--max-tokens", String(count), "--top", String(kTop)],
    {encoding: "utf8", maxBuffer: 1 << 30}));
}

const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath: path.resolve(file)});
const context = await model.createContext({contextSize: 512, batchSize: 512});
const sequence = context.getSequence();

// Log-probabilities of the next token behind each of `tokens` from `first` on.
async function theirs(tokens, first) {
  await sequence.clearHistory();
  const input = tokens.map((token, i) => i < first ? token :
    [token, {generateNext: {logits: true}}]);
  const results = await sequence.controlledEvaluate(input);
  return results.slice(first).map(({next}) => {
    const logits = next.logits;
    let most = -Infinity, sum = 0;
    for (const value of logits.values()) most = Math.max(most, value);
    for (const value of logits.values()) sum += Math.exp(value - most);
    return new Map([...logits].map(([id, value]) => [id, value - most - Math.log(sum)]));
  });
}

let failed = false;
for (const prompt of prompts) {
  const generated = ours(prompt, kNew);
  const start = JSON.parse(execFileSync(program, ["tokenizer", "encode", file,
    prompt, "--bos", "--json"], {encoding: "utf8"})).tokens.map(({id}) => id);
  const ids = generated.tokens.map(({id}) => id);
  const tokens = [...start, ...ids];
  const expected = await theirs(tokens.slice(0, -1), start.length - 1);
  let largest = 0, same = 0, diverged = false;
  for (let i = 0; i < ids.length; ++i) {
    const logprobs = new Map(generated.tokens[i].top.map(({id, logprob}) => [id, logprob]));
    for (const [id, logprob] of logprobs)
      if (logprob > -20)
        largest = Math.max(largest, Math.abs(logprob - expected[i].get(id)));
    const ranked = [...expected[i]].sort((a, b) => b[1] - a[1]);
    if (ranked[0][0] === ids[i]) { ++same; continue; }
    const gap = ranked[0][1] - expected[i].get(ids[i]);
    diverged ||= gap > 2 * largest;
    console.log(`  token ${i}: ours is ${gap.toFixed(4)} nats behind llama.cpp's`);
  }
  failed ||= diverged;
  console.log(`${path.basename(file)}\t${JSON.stringify(prompt)}\t` +
    `largest difference ${largest.toFixed(5)}\tsame ${same} of ${ids.length}`);
}
await context.dispose();
await model.dispose();
process.exit(failed ? 1 : 0);
