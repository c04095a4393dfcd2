// A GGUF file in llama.cpp (npm's node-llama-cpp) and in ours, side by side.
// Both read the same token ids, those of our tokenizer.
import {execFileSync} from 'node:child_process';
import {createRequire} from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const kNew = 64, kTop = 1000;
// Of tokens that either program finds less probable nothing is compared.
const kLeastLogprob = -20;

const root = path.resolve(process.env.NODE_MODULES ?? 'node_modules');
const require = createRequire(root + '/');
const {getLlama} =
    await import(pathToFileURL(require.resolve('node-llama-cpp')));
const llama = await getLlama({gpu: false, build: 'never', logLevel: 'error'});

function run(program, args) {
  return JSON.parse(execFileSync(
      program, args,
      {encoding: 'utf8', maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore']}));
}

// What we write behind the prompt: for each token its id and the
// log-probabilities of the kTop most probable, by id.
function ours(program, file, prompt) {
  const {tokens} = run(program, ['generate', file, prompt, '--json', '--max-tokens',
                                 String(kNew), '--top', String(kTop)]);
  return tokens.map(
      ({id, top}) => ({id, logprobs: new Map(top.map(t => [t.id, t.logprob]))}));
}

// llama.cpp's log-probabilities of the next token behind each of `tokens` from
// `first` on.
async function theirs(sequence, tokens, first) {
  await sequence.clearHistory();
  const input = tokens.map(
      (token, i) =>
          i < first ? token : [token, {generateNext: {logits: true}}]);
  const results = await sequence.controlledEvaluate(input);
  return results.slice(first).map(({next}) => {
    let most = -Infinity, sum = 0;
    for (const value of next.logits.values()) most = Math.max(most, value);
    for (const value of next.logits.values()) sum += Math.exp(value - most);
    return new Map([...next.logits].map(
        ([id, value]) => [id, value - most - Math.log(sum)]));
  });
}

// The largest difference of a log-probability along a text; b may know more
// tokens of each place than a.
function largestDifference(a, b) {
  let largest = 0;
  a.forEach((logprobs, i) => {
    for (const [id, logprob] of logprobs)
      if (logprob > kLeastLogprob && b[i].has(id))
        largest = Math.max(largest, Math.abs(logprob - b[i].get(id)));
  });
  return largest;
}

async function evaluate(file, texts) {
  const model = await llama.loadModel({modelPath: path.resolve(file)});
  const context = await model.createContext({
    contextSize: 512,
    batchSize: 512,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32'
  });
  const sequence = context.getSequence();
  const out = [];
  for (const {tokens, first} of texts)
    out.push(await theirs(sequence, tokens, first));
  await context.dispose();
  await model.dispose();
  return out;
}

// For each prompt, along up to 64 tokens of our greedy continuation: the largest
// difference of a log-probability between the programs (`largest`), how many
// tokens are llama.cpp's choice too (`same` of `count`), and how far its choice
// is ahead of ours at most where they are not (`gap`). With `exact`, a file that
// has the numbers of `file` in f32, of which llama.cpp's log-probabilities are
// taken for exact: how far each program is from these (`ours`, `theirs`).
export async function compare(program, file, prompts, exact) {
  const written = prompts.map(prompt => ours(program, file, prompt));
  const texts = prompts.map((prompt, i) => {
    const start =
        run(program, ['tokenizer', 'encode', file, prompt, '--bos', '--json'])
            .tokens.map(({id}) => id);
    return {
      tokens: [...start, ...written[i].map(({id}) => id)].slice(0, -1),
      first: start.length - 1
    };
  });
  const other = await evaluate(file, texts);
  const reference = exact ? await evaluate(exact, texts) : other;
  return prompts.map((prompt, p) => {
    const mine = written[p].map(({logprobs}) => logprobs);
    let same = 0, gap = 0;
    written[p].forEach(({id}, i) => {
      const best = Math.max(...other[p][i].values());
      if (other[p][i].get(id) === best) ++same;
      gap = Math.max(gap, best - other[p][i].get(id));
    });
    return {
      prompt,
      largest: largestDifference(mine, other[p]),
      ours: largestDifference(mine, reference[p]),
      theirs: largestDifference(other[p], reference[p]),
      same,
      gap,
      count: mine.length
    };
  });
}

// The largest difference of a log-probability between two models in our
// program, along what the first writes.
export function compareOurs(program, a, b, prompts) {
  let largest = 0;
  for (const prompt of prompts) {
    const first = ours(program, a, prompt), second = ours(program, b, prompt);
    if (first.some(({id}, i) => id !== second[i]?.id)) return Infinity;
    largest =
        Math.max(largest, largestDifference(...[first, second].map(
                              tokens => tokens.map(t => t.logprobs))));
  }
  return largest;
}

export const kPrompts = ['The capital of', '대한민국의 수도는', '1 + 1 ='];
