// Our log-probabilities and greedy tokens beside llama.cpp's, on one GGUF file:
//
//   npm install node-llama-cpp       (anywhere; NODE_MODULES names its node_modules)
//   NODE_MODULES=… node compare_llama_cpp.mjs PROGRAM MODEL.gguf [PROMPT]…
//
// SEODANG_MAX_ISA=avx2 holds our products to f32. Exits with 1 when a greedy
// token differs where llama.cpp's best is further ahead than twice the largest
// difference.
import path from 'node:path';

import {compare, kPrompts} from './llama_cpp.mjs';

const [program, file, ...given] = process.argv.slice(2);
const results =
    await compare(program, file, given.length > 0 ? given : kPrompts);
for (const {prompt, largest, same, gap, count} of results)
  console.log(
      `${path.basename(file)}\t${JSON.stringify(prompt)}\t` +
      `largest difference ${largest.toFixed(5)}\tsame ${same} of ${count}` +
      (gap > 0 ? `\tat most ${gap.toFixed(4)} nats behind` : ''));
process.exit(results.some(r => r.gap > 2 * r.largest) ? 1 : 0);
