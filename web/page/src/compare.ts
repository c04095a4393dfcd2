// One prompt, several models at the same time, and what each one saw.
import {type Message, type Model, stream, tokenize} from './api.ts';
import {field, h, sends, visible} from './dom.ts';
import {Settings} from './settings.ts';
import {words} from './words.ts';

interface Asked {
  model: Model;
  chosen: HTMLInputElement;
  manner: HTMLSelectElement;  // "template" or "bare"
}

export function compare(models: Model[]): HTMLElement {
  const w = words();
  const prompt = h('textarea', {rows: 2, required: true});
  prompt.value = w.example;
  const settings = new Settings(64);
  const asked: Asked[] = models.map((model, i) => {
    const chosen = h('input', {type: 'checkbox', id: `ask-${i}`});
    chosen.checked = i < 4;
    const manner = h('select', {'aria-label': model.id},
        h('option', {value: 'template'}, w.template), h('option', {value: 'bare'}, w.bare));
    manner.value = model.kind === 'base' ? 'bare' : 'template';
    manner.disabled = model.kind === 'base';
    return {model, chosen, manner};
  });
  const send = h('button', {class: 'primary'}, w.send);
  const stop = h('button', {type: 'button', hidden: true}, w.stop);
  const answers = h('div', {class: 'answers', 'aria-live': 'polite'});
  const form = h('form', {}, field(w.prompt, prompt),
      h('fieldset', {}, h('legend', {}, w.modelsAsked), asked.map(({model, chosen, manner}) => h('div', {class: 'choice'},
          chosen, h('label', {for: chosen.id}, model.id, ' ', h('span', {class: 'small'}, w.kinds[model.kind])), manner))),
      settings.element, h('p', {class: 'row'}, send, stop));
  sends(prompt, form);

  let running = new AbortController();
  stop.onclick = () => running.abort();
  form.onsubmit = async event => {
    event.preventDefault();
    running.abort();
    const mine = running = new AbortController();
    stop.hidden = false;
    const cards = asked.filter(({chosen}) => chosen.checked).map(({model, manner}) =>
        answer(model, prompt.value, manner.value === 'bare', settings.values, mine.signal));
    answers.replaceChildren(...cards.map(({card}) => card));
    await Promise.all(cards.map(({done}) => done));
    if (mine === running) stop.hidden = true;
  };
  return h('section', {}, h('p', {class: 'note'}, w.compareNote), form, answers);
}

function answer(model: Model, prompt: string, bare: boolean, settings: object, signal: AbortSignal) {
  const w = words();
  const said = h('p', {class: 'said'});
  const end = h('span', {class: 'stop'});
  const rate = h('p', {class: 'small rate'});
  const saw = h('details', {});
  const card = h('article', {class: `card ${model.kind}`, 'aria-label': model.id},
      h('p', {class: 'who'}, h('b', {}, model.id), h('span', {class: 'small'}, w.kinds[model.kind]), end), said, rate, saw);
  // The server normalizes a prompt so; what is shown has to be what is read.
  const text = prompt.normalize('NFC');
  const messages: Message[] = [{role: 'user', content: text}];

  async function show() {
    if (model.kind === 'remote') return;
    const pieces = await tokenize(model.id, bare ? {content: text} : {messages});
    saw.append(h('summary', {}, w.saw(pieces.length)),
        h('div', {class: 'tokens'}, pieces.map(({id, piece}) => h('code', {title: String(id)}, visible(piece)))));
  }
  async function write() {
    const begin = performance.now();
    const body = {model: model.id, ...settings, ...(bare ? {prompt: text} : {messages})};
    for await (const part of stream(body, signal)) {
      said.append(part.text);
      if (part.reason) {
        end.textContent = w.reasons[part.reason];
        end.classList.toggle('eos', part.reason === 'stop');
      }
      if (part.usage) {
        const seconds = (performance.now() - begin) / 1000;
        const tokens = part.usage.completion_tokens;
        rate.textContent = w.rate(tokens, (tokens / seconds).toFixed(tokens / seconds < 10 ? 1 : 0));
      }
    }
    if (!said.textContent) said.append(w.silent);
  }
  const failed = (error: Error) => {
    if (error.name !== 'AbortError') card.append(h('p', {class: 'error', role: 'alert'}, w.failed(error.message)));
  };
  return {card, done: Promise.all([show(), write()]).catch(failed)};
}
