// The server's API (docs/serving.md).
export interface Model {
  id: string;
  // remote: behind another server's API, of which one knows but the texts.
  kind: 'base' | 'instruct' | 'remote';
  context_length?: number;
  owned_by: string;
}
export interface Memory {
  weights: number;
  kv_cache: number;
  working: number;
  fits: boolean;
}
export interface Inspection {
  architecture: string;
  parameters: number;
  dtype: string;
  vocab_size: number;
  confidence: number;
  evidence: string[];
  advice: string;
  memory: Record<string, Memory>;
  machine_memory: number;
}
export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}
export interface Piece {
  id: number;
  piece: string | number[];
}
export interface Candidate {
  id: number;
  token: string;
  bytes: number[];
  logprob: number;
}
export interface Token extends Candidate {
  top_logprobs: Candidate[];
}
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}
// What a stream brings: text, tokens if logprobs were asked for, and in the end
// why it ended and what it took.
export interface Part {
  text: string;
  tokens: Token[];
  reason?: 'stop' | 'length';
  usage?: Usage;
}

const kKey = 'seodang-api-key';
export const key = {
  get: () => sessionStorage.getItem(kKey) ?? '',
  set: (value: string) => sessionStorage.setItem(kKey, value),
};

export class KeyWanted extends Error {}

async function call(path: string, body?: object, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {};
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  if (body) headers['Content-Type'] = 'application/json';
  const response = await fetch(path, {
    method: body ? 'POST' : 'GET', headers, signal: signal ?? null, body: body ? JSON.stringify(body) : null});
  if (response.ok) return response;
  const message = await response.json().then(json => json.error.message, () => response.statusText);
  throw response.status === 401 ? new KeyWanted(message) : new Error(message);
}
const json = async (response: Promise<Response>) => (await response).json();
export const getJson = <T>(path: string): Promise<T> => json(call(path));
export const getText = async (path: string): Promise<string> => (await call(path)).text();

export const models = async (): Promise<Model[]> => (await json(call('v1/models'))).data;
export const inspection = async (id: string): Promise<Inspection> =>
    (await json(call(`v1/models/${encodeURI(id)}`))).inspection;
// What a model is given: of messages through its template, or of a bare text.
export const tokenize = async (model: string, given: {messages: Message[]} | {content: string}): Promise<Piece[]> =>
    (await json(call('tokenize', {model, ...given, add_special: true, with_pieces: true}))).tokens;

// `body` of a chat has messages, of a completion a prompt.
export async function* stream(body: object, signal?: AbortSignal): AsyncGenerator<Part> {
  const path = 'messages' in body ? 'v1/chat/completions' : 'v1/completions';
  const response = await call(path, {...body, stream: true, stream_options: {include_usage: true}}, signal);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let held = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const events = (held + value).split('\n\n');
    held = events.pop()!;
    for (const event of events) {
      if (!event.startsWith('data: {')) continue;
      const data = JSON.parse(event.slice(6));
      if (data.error) throw new Error(data.error.message);
      const choice = data.choices[0];
      yield {
        text: choice?.delta?.content ?? choice?.text ?? '',
        tokens: choice?.logprobs?.content ?? [],
        reason: choice?.finish_reason ?? undefined,
        usage: data.usage,
      };
    }
  }
}
