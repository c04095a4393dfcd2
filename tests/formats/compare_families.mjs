// The table of docs/models.md: each family in each type, ours beside llama.cpp
// on the GGUF files that we wrote.
//
//   make compare-llama-cpp
//
// A model has random weights, the shape of its family and the family's
// tokenizer cut down to some 800 tokens. Logits spread as those of a trained
// model (standard deviation about 2.4), so that most tokens have a clear
// best.
//
// Each cell: how far our log-probabilities are from those of the numbers in the
// file, computed in f32 by llama.cpp; the same of llama.cpp's own on the file;
// how many greedy tokens are the same.
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import {compare, compareOurs, kPrompts} from './llama_cpp.mjs';

const [program, tokenizers] = process.argv.slice(2);
const types = ['f32', 'bf16', 'q8_0', 'q5_0', 'q4_0', 'q4_k_m'];
const llama3 = {
  rope_type: 'llama3',
  factor: 32.0,
  low_freq_factor: 1.0,
  high_freq_factor: 4.0,
  original_max_position_embeddings: 8192
};
const families = [
  ['Llama 2', 'llama-2', {architectures: ['LlamaForCausalLM']}],
  ['Llama 3.2', 'llama-3.2', {
     architectures: ['LlamaForCausalLM'],
     tie_word_embeddings: true,
     rope_theta: 500000.0,
     rope_scaling: llama3
   }],
  ['Llama, linear', 'llama-2', {
     architectures: ['LlamaForCausalLM'],
     rope_scaling: {rope_type: 'linear', factor: 4.0}
   }],
  ['Llama, yarn', 'llama-2', {
     architectures: ['LlamaForCausalLM'],
     rope_scaling: {
       rope_type: 'yarn',
       factor: 4.0,
       original_max_position_embeddings: 512
     }
   }],
  ['Mistral 7B', 'mistral-7b', {
     architectures: ['MistralForCausalLM'],
     sliding_window: 4096
   }],
  ['Mistral Nemo', 'mistral-nemo', {
     architectures: ['MistralForCausalLM'],
     sliding_window: null,
     head_dim: 32
   }],
  ['Qwen 2.5', 'qwen-3', {
     architectures: ['Qwen2ForCausalLM'],
     tie_word_embeddings: true,
     rope_theta: 1000000.0
   }],
  ['Qwen 3', 'qwen-3', {
     architectures: ['Qwen3ForCausalLM'],
     tie_word_embeddings: true,
     rope_theta: 1000000.0
   }],
  ['Gemma 1', 'gemma-1', {architectures: ['GemmaForCausalLM']}],
  ['Gemma 2', 'gemma-1', {
     architectures: ['Gemma2ForCausalLM'],
     query_pre_attn_scalar: 64,
     sliding_window: 16
   }],
  ['Gemma 3', 'gemma-3', {
     architectures: ['Gemma3ForCausalLM'],
     query_pre_attn_scalar: 64,
     num_hidden_layers: 7,
     rope_theta: 1000000.0,
     sliding_window: 16
   }],
];

// Normally distributed numbers from a 32-bit xorshift generator.
function normals(seed) {
  let state = seed;
  const uniform = () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) *
      Math.cos(2 * Math.PI * uniform());
}

function writeModel(dir, tokenizer, own) {
  fs.cpSync(tokenizer, dir, {recursive: true});
  const {model, added_tokens} = JSON.parse(
      fs.readFileSync(path.join(tokenizer, 'tokenizer.json'), 'utf8'));
  const vocab = 1 +
      Math.max(...Object.values(model.vocab), ...added_tokens.map(t => t.id));
  const gemma = own.architectures[0].startsWith('Gemma');
  const config = {
    vocab_size: vocab,
    hidden_size: 256,
    intermediate_size: 512,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 64,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10000.0,
    tie_word_embeddings: gemma,
    ...own
  };
  fs.writeFileSync(path.join(dir, 'config.json'), JSON.stringify(config));

  const {hidden_size: hidden, intermediate_size: wide, head_dim} = config;
  const q = config.num_attention_heads * head_dim,
        kv = config.num_key_value_heads * head_dim;
  const shapes = [['model.embed_tokens.weight', vocab, hidden]];
  if (!config.tie_word_embeddings)
    shapes.push(['lm_head.weight', vocab, hidden]);
  const norm = (name, size) => shapes.push([`${name}.weight`, size]);
  norm('model.norm', hidden);
  const [architecture] = config.architectures;
  for (let l = 0; l < config.num_hidden_layers; ++l) {
    const linear = (name, rows, cols, bias) => {
      shapes.push([`model.layers.${l}.${name}.weight`, rows, cols]);
      if (bias) shapes.push([`model.layers.${l}.${name}.bias`, rows]);
    };
    const bias = architecture === 'Qwen2ForCausalLM';
    linear('self_attn.q_proj', q, hidden, bias);
    linear('self_attn.k_proj', kv, hidden, bias);
    linear('self_attn.v_proj', kv, hidden, bias);
    linear('self_attn.o_proj', hidden, q);
    linear('mlp.gate_proj', wide, hidden);
    linear('mlp.up_proj', wide, hidden);
    linear('mlp.down_proj', hidden, wide);
    const norms = ['input_layernorm', 'post_attention_layernorm'];
    if (/^Gemma[23]/.test(architecture))
      norms.push('pre_feedforward_layernorm', 'post_feedforward_layernorm');
    for (const name of norms) norm(`model.layers.${l}.${name}`, hidden);
    if (/^(Qwen3|Gemma3)/.test(architecture))
      for (const name of ['q_norm', 'k_norm'])
        norm(`model.layers.${l}.self_attn.${name}`, head_dim);
  }
  const header = {};
  const next = normals(7);
  const parts = [];
  let offset = 0;
  for (const [name, ...shape] of shapes) {
    const numbers = new Float32Array(shape.reduce((a, b) => a * b));
    const is_norm = name.endsWith('norm.weight');
    const scale = name.endsWith('embed_tokens.weight') || name === 'lm_head.weight' ?
        0.15 :
        shape.length === 2 ? 1 / Math.sqrt(shape[1]) :
                             0.2;
    for (let i = 0; i < numbers.length; ++i)
      numbers[i] = scale * next() + (is_norm && !gemma ? 1 : 0);
    parts.push(Buffer.from(numbers.buffer));
    header[name] = {
      dtype: 'F32',
      shape,
      data_offsets: [offset, offset += numbers.byteLength]
    };
  }
  const head = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.length));
  fs.writeFileSync(
      path.join(dir, 'model.safetensors'),
      Buffer.concat([size, head, ...parts]));
}

function convert(from, to, type) {
  execFileSync(program, ['convert', from, to, '--type', type], {stdio: 'ignore'});
}

const number = value => value < 1e-3 ? value.toExponential(0) : value.toFixed(3);
const row = cells => `| ${cells.join(' | ')} |`;
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'families-'));
let failed = false;
console.log(row(['family', 'directory', ...types]));
console.log(row(['family', 'directory', ...types].map(() => '---')));
for (const [name, tokenizer, config] of families) {
  const model = path.join(dir, name.replaceAll(/[ ,]+/g, '-'));
  writeModel(model, path.join(tokenizers, tokenizer), config);
  const cells = [];
  for (const type of types) {
    const file = `${model}-${type}.gguf`;
    convert(model, file, type);
    if (type === 'f32')
      cells.push(number(compareOurs(program, model, file, kPrompts)));
    const numbers = `${model}-numbers`, exact = `${numbers}.gguf`;
    convert(file, numbers, 'f32');
    convert(numbers, exact, 'f32');
    const results = await compare(program, file, kPrompts, exact);
    const sum = key => results.reduce((a, r) => a + r[key], 0);
    const most = key => number(Math.max(...results.map(r => r[key])));
    failed ||= results.some(r => r.gap > 2 * r.largest);
    cells.push(`${most('ours')} / ${most('theirs')}, ` +
               `${sum('same')} of ${sum('count')}`);
    for (const made of [file, numbers, exact])
      fs.rmSync(made, {recursive: true});
  }
  console.log(row([name, ...cells]));
}
fs.rmSync(dir, {recursive: true});
process.exit(failed ? 1 : 0);
