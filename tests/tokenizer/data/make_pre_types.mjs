// Writes pre_types.json: the token ids that llama.cpp gives to some lines for
// each value of tokenizer.ggml.pre, all with one vocabulary.
//
//   npm install node-llama-cpp       (in a directory of its own)
//   NODE_MODULES=… node make_pre_types.mjs MODEL.gguf > pre_types.json
//
// MODEL.gguf: `seodang convert` of a small model that has the tokenizer of
// families/llama-3.2, whose key tokenizer.ggml.pre is "llama-bpe".
import fs from 'node:fs';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const root = path.resolve(process.env.NODE_MODULES ?? 'node_modules');
const require = createRequire(root + '/');
const {getLlama} =
    await import(pathToFileURL(require.resolve('node-llama-cpp')));

const pres = ['llama-bpe', 'smaug-bpe', 'qwen2', 'deepseek-r1-qwen', 'tekken',
              'smollm', 'gpt-2', 'default'];
const lines = [
  'Hello, world! I\'m fine; you\'re not.', 'camelCase HTTPServer iPhone ABc',
  '1 12 123 1234 12345 3.14159, 2024-11-28', 'a;\n\nb ;\n {\n\t}\n\n\n',
  'http://a.b/c//d/\n\n/x', '  two   spaces\tand tab  ', 'x=y+z<=3 && p|q ~ $5',
  '대한민국의 수도는 서울입니다. 3월 15일', '漢字 ①번 ㈜회사 ½ Ⅳ', 'naïve café e\u0301',
  '"quoted" (text) [x] #tag @me', '...!!! -- — …\n', 'IT\'S WE\'LL It\'s',
];

// The text of one key, replaced by another.
function changed(file, key, value) {
  const name = Buffer.from(key);
  const at = file.indexOf(name) + name.length + 4;  // behind its type
  const old = Number(file.readBigUInt64LE(at));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(value.length));
  const head = Buffer.concat([
    file.subarray(0, at), size, Buffer.from(value), file.subarray(at + 8 + old)
  ]);
  // What lies behind is found from its end: padded here, the numbers of the
  // tensors move, which no token depends on.
  return Buffer.concat([head, Buffer.alloc(64)]);
}

const llama = await getLlama({gpu: false, build: 'never', logLevel: 'error'});
const file = fs.readFileSync(process.argv[2]);
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pre-types-'));
const out = {};
for (const pre of pres) {
  const modelPath = path.join(dir, `${pre}.gguf`);
  fs.writeFileSync(modelPath, changed(file, 'tokenizer.ggml.pre', pre));
  const model = await llama.loadModel({modelPath});
  out[pre] = lines.map(line => [line, model.tokenize(line, false).join(' ')]);
  await model.dispose();
}
fs.rmSync(dir, {recursive: true});
const shown = Object.entries(out).map(
    ([pre, pairs]) => ` ${JSON.stringify(pre)}: [\n` +
        pairs.map(pair => '  ' + JSON.stringify(pair)).join(',\n') + '\n ]');
console.log('{\n' + shown.join(',\n') + '\n}');
process.exit(0);
