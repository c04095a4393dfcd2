// OpenAI's own client and the Vercel AI SDK against `seodang serve`, unchanged.
//
//   npm install openai ai @ai-sdk/openai-compatible     (in a directory of its own)
//   NODE_MODULES=... node openai_client.mjs http://127.0.0.1:8080 BASE INSTRUCT [KEY]
//
// BASE and INSTRUCT are what the server calls a base and an instruct model.
import assert from 'node:assert';
import {createRequire} from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const [url, base, instruct, apiKey = 'none'] = process.argv.slice(2);
const root = path.resolve(process.env.NODE_MODULES ?? 'node_modules');
const require = createRequire(root + '/');
const load = name => import(pathToFileURL(require.resolve(name)));
const {default: OpenAI} = await load('openai');
const client = new OpenAI({baseURL: `${url}/v1`, apiKey, maxRetries: 0});

let calls = 0;
async function check(name, call) {
  await call();
  ++calls;
  console.log(`ok ${calls} ${name}`);
}
async function refused(status, part, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.status, status);
    assert.ok(error.message.includes(part), error.message);
    return;
  }
  assert.fail('nothing was refused');
}

const messages = [{role: 'user', content: '대한민국의 수도는?'}];
const ask = more => client.chat.completions.create(
    {model: instruct, messages, temperature: 0, ...more});
const go_on = more => client.completions.create(
    {model: base, prompt: '대한민국의 수도는', temperature: 0, max_tokens: 8, ...more});

let answer = '';
await check('models', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes(base) && ids.includes(instruct));
});
await check('chat', async () => {
  const {choices: [choice], usage} = await ask({});
  answer = choice.message.content;
  assert.ok(answer.length > 0);
  assert.equal(choice.message.role, 'assistant');
  assert.equal(choice.finish_reason, 'stop');
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
});
await check('chat, streamed', async () => {
  let text = '', reason, role;
  for await (const {choices: [choice]} of await ask({stream: true})) {
    role ??= choice.delta.role;
    text += choice.delta.content ?? '';
    reason = choice.finish_reason ?? reason;
  }
  assert.deepEqual([text, reason, role], [answer, 'stop', 'assistant']);
});
await check('usage at the end of a stream', async () => {
  let usage;
  for await (const chunk of await ask({stream: true, stream_options: {include_usage: true}}))
    usage = chunk.usage ?? usage;
  assert.ok(usage.completion_tokens > 0);
});
await check('the client puts a stream together', async () => {
  const final = await client.chat.completions
                    .stream({model: instruct, messages, temperature: 0})
                    .finalChatCompletion();
  assert.equal(final.choices[0].message.content, answer);
});
await check('logprobs and top_logprobs', async () => {
  const {choices: [{logprobs: {content}}]} = await ask({logprobs: true, top_logprobs: 3});
  for (const token of content) {
    assert.equal(token.top_logprobs.length, 3);
    assert.equal(token.top_logprobs[0].logprob, token.logprob);
  }
  const bytes = content.slice(0, -1).flatMap(token => token.bytes);
  assert.equal(Buffer.from(bytes).toString('utf8'), answer);
});
await check('n', async () => {
  const {choices} = await ask({n: 3, temperature: 1, seed: 5});
  assert.deepEqual(choices.map(c => c.index), [0, 1, 2]);
});
await check('n, streamed', async () => {
  const seen = new Set();
  for await (const {choices: [choice]} of await ask({n: 3, temperature: 1, stream: true}))
    if (choice.finish_reason) seen.add(choice.index);
  assert.equal(seen.size, 3);
});
await check('the same seed', async () => {
  const texts = [];
  for (let i = 0; i < 2; ++i)
    texts.push((await ask({temperature: 1, seed: 11})).choices[0].message.content);
  assert.equal(texts[0], texts[1]);
});
await check('stop', async () => {
  const {choices: [choice]} = await ask({stop: ['수도']});
  assert.ok(!choice.message.content.includes('수도'));
  assert.equal(choice.finish_reason, 'stop');
});
await check('max_completion_tokens', async () => {
  const {choices: [choice], usage} = await ask({max_completion_tokens: 2});
  assert.equal(usage.completion_tokens, 2);
  assert.equal(choice.finish_reason, 'length');
});
await check('penalties, top_p, user', () => ask({presence_penalty: 1,
  frequency_penalty: 0.5, top_p: 0.9, temperature: 0.7, user: 'x'}));
await check('a system message, content in parts', () => ask({messages: [
  {role: 'system', content: '짧게 답하십시오.'},
  {role: 'user', content: [{type: 'text', text: '대한민국의 수도는?'}]}]}));
await check('completion', async () => {
  const {choices: [choice]} = await go_on({});
  assert.ok(choice.text.length > 0);
});
await check('completion, streamed', async () => {
  let text = '';
  for await (const {choices: [choice]} of await go_on({stream: true})) text += choice.text;
  assert.equal(text, (await go_on({})).choices[0].text);
});
await check('completion, logprobs', async () => {
  const {choices: [{logprobs}]} = await go_on({logprobs: 2});
  assert.equal(logprobs.tokens.length, 8);
  assert.equal(Object.keys(logprobs.top_logprobs[0]).length, 2);
});
await check('many at once', async () => {
  const all = await Promise.all(Array.from({length: 16}, () => ask({})));
  for (const {choices: [choice]} of all) assert.equal(choice.message.content, answer);
});
await check('a client that leaves', async () => {
  const stream = await ask({stream: true, temperature: 1});
  for await (const chunk of stream) {
    stream.controller.abort();
    break;
  }
  assert.equal((await ask({})).choices[0].message.content, answer);
});
await check('an unknown model', () => refused(404, 'not served here',
  () => ask({model: 'gpt-x'})));
await check('a wrong value', () => refused(400, 'temperature',
  () => ask({temperature: 7})));
await check('what is not built', () => refused(400, 'logit_bias',
  () => ask({logit_bias: {5: 1}})));
await check('a prompt that is too long', () => refused(400, 'the context holds',
  () => go_on({prompt: 'x '.repeat(200000)})));
await check('no chat template', () => refused(400, 'no chat template',
  () => ask({model: base})));
await check('Vercel AI SDK', async () => {
  const {createOpenAICompatible} = await load('@ai-sdk/openai-compatible');
  const {generateText, streamText} = await load('ai');
  const model = createOpenAICompatible({name: 'seodang', baseURL: `${url}/v1`, apiKey})(instruct);
  const prompt = messages[0].content;
  assert.equal((await generateText({model, prompt, temperature: 0})).text, answer);
  let text = '';
  for await (const part of streamText({model, prompt, temperature: 0}).textStream) text += part;
  assert.equal(text, answer);
});
console.log(`${calls} calls`);
