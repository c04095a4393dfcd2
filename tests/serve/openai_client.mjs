// OpenAI's own client and the Vercel AI SDK against `seodang serve`, unchanged.
//
//   npm ci --prefix tests/serve
//   node tests/serve/openai_client.mjs http://127.0.0.1:8080 BASE INSTRUCT [TOOLS]
//
// BASE, INSTRUCT and TOOLS are what the server calls a base model, an instruct
// model, and one whose chat template knows tools.
import {createOpenAICompatible} from '@ai-sdk/openai-compatible';
import {generateText, jsonSchema, streamText, tool} from 'ai';
import assert from 'node:assert';
import OpenAI from 'openai';

const [url, base, instruct, tools] = process.argv.slice(2);
const apiKey = process.env.OPENAI_API_KEY ?? 'none';
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
    {model: instruct, messages, temperature: 0, max_tokens: 40, ...more});
const go_on = more => client.completions.create(
    {model: base, prompt: '대한민국의 수도는', temperature: 0, max_tokens: 8, ...more});

let answer = '', ended;
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
  assert.ok(['stop', 'length'].includes(choice.finish_reason));
  ended = choice.finish_reason;
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
});
await check('chat, streamed', async () => {
  let text = '', reason, role;
  for await (const {choices: [choice]} of await ask({stream: true})) {
    role ??= choice.delta.role;
    text += choice.delta.content ?? '';
    reason = choice.finish_reason ?? reason;
  }
  assert.deepEqual([text, reason, role], [answer, ended, 'assistant']);
});
await check('usage at the end of a stream', async () => {
  let usage;
  for await (const chunk of await ask({stream: true, stream_options: {include_usage: true}}))
    usage = chunk.usage ?? usage;
  assert.ok(usage.completion_tokens > 0);
});
await check('the client puts a stream together', async () => {
  const final = await client.chat.completions
                    .stream({model: instruct, messages, temperature: 0, max_tokens: 40})
                    .finalChatCompletion();
  assert.equal(final.choices[0].message.content, answer);
});
await check('logprobs and top_logprobs', async () => {
  const {choices: [{logprobs: {content}}]} = await ask({logprobs: true, top_logprobs: 3});
  for (const token of content) {
    assert.equal(token.top_logprobs.length, 3);
    assert.equal(token.top_logprobs[0].logprob, token.logprob);
  }
  const bytes = (ended === 'stop' ? content.slice(0, -1) : content).flatMap(token => token.bytes);
  // Special tokens are no text.
  assert.equal(Buffer.from(bytes).toString('utf8').replaceAll(/<\|\w+\|>/g, ''), answer);
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
  const word = [...answer].slice(3, 6).join('');
  const {choices: [choice]} = await ask({stop: [word]});
  assert.equal(choice.message.content, answer.slice(0, answer.indexOf(word)));
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
const schema = {type: 'object', additionalProperties: false, required: ['city', 'size'],
  properties: {city: {type: 'string', maxLength: 8}, size: {type: 'integer', minimum: 1, maximum: 99}}};
function fits({city, size}) {
  assert.ok(typeof city === 'string' && [...city].length <= 8);
  assert.ok(Number.isInteger(size) && size >= 1 && size <= 99);
}
const as_city = {type: 'json_schema', json_schema: {name: 'city', strict: true, schema}};
await check('json_schema', async () => {
  const {choices: [choice]} = await client.chat.completions.parse(
      {model: instruct, messages, temperature: 1, seed: 1, max_tokens: 120, response_format: as_city});
  fits(choice.message.parsed);
  assert.equal(choice.finish_reason, 'stop');
});
await check('json_schema, streamed', async () => {
  let text = '';
  for await (const {choices: [choice]} of await ask(
      {stream: true, temperature: 1, seed: 1, max_tokens: 120, response_format: as_city}))
    text += choice.delta.content ?? '';
  fits(JSON.parse(text));
});
await check('json_object', async () => {
  const {choices: [choice]} = await ask({response_format: {type: 'json_object'}});
  assert.ok(choice.message.content.trimStart().startsWith('{'));
});
await check('a schema that cannot be kept', () => refused(400, 'uniqueItems', () => ask(
  {response_format: {type: 'json_schema', json_schema: {name: 'x', schema: {type: 'array', uniqueItems: true}}}})));
await check('a template without tools', () => refused(400, 'no place for tools', () => ask(
  {tools: [{type: 'function', function: {name: 'f', parameters: schema}}]})));
if (tools) {
  const find = {type: 'function', function: {name: 'find', description: 'Finds a city', parameters: schema}};
  const call = more => ask({model: tools, tools: [find], tool_choice: 'required',
    parallel_tool_calls: false, temperature: 1, seed: 1, max_tokens: 200, ...more});
  await check('tools', async () => {
    const {choices: [choice]} = await call({});
    assert.equal(choice.finish_reason, 'tool_calls');
    const [{id, type, function: {name, arguments: given}}] = choice.message.tool_calls;
    assert.deepEqual([type, name], ['function', 'find']);
    fits(JSON.parse(given));
    await call({tool_choice: 'auto', messages: [...messages, choice.message,
      {role: 'tool', tool_call_id: id, content: '{"found": true}'}]});
  });
  await check('the client puts a streamed call together', async () => {
    const final = await client.chat.completions.stream({model: tools, messages, tools: [find],
      tool_choice: {type: 'function', function: {name: 'find'}}, max_tokens: 200,
      temperature: 1, seed: 1}).finalChatCompletion();
    fits(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments));
  });
  await check('the client runs tools', async () => {
    let given;
    const runner = client.chat.completions.runTools({model: tools, messages, max_tokens: 200,
      temperature: 1, seed: 1, tool_choice: {type: 'function', function: {name: 'find'}}, tools: [{
        type: 'function', function: {name: 'find', parameters: schema, parse: JSON.parse,
          function: city => { given = city; return 'found'; }}}]});
    await runner.finalFunctionToolCallResult();
    fits(given);
  });
  await check('Vercel AI SDK, tools', async () => {
    let given;
    const model = createOpenAICompatible({name: 'seodang', baseURL: `${url}/v1`, apiKey})(tools);
    await generateText({model, prompt: messages[0].content, maxOutputTokens: 200, temperature: 1,
      toolChoice: 'required', seed: 1,
      providerOptions: {seodang: {parallel_tool_calls: false}},
      tools: {find: tool({inputSchema: jsonSchema(schema),
        execute: city => { given = city; return 'found'; }})}});
    fits(given);
  });
}
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
  const model = createOpenAICompatible({name: 'seodang', baseURL: `${url}/v1`, apiKey})(instruct);
  const prompt = messages[0].content;
  assert.equal((await generateText({model, prompt, temperature: 0, maxOutputTokens: 40})).text, answer);
  let text = '';
  for await (const part of streamText({model, prompt, temperature: 0, maxOutputTokens: 40}).textStream) text += part;
  assert.equal(text, answer);
});
console.log(`${calls} calls`);
