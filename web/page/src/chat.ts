// A conversation with an instruct model.
import {type Message, type Model, stream} from './api.ts';
import {field, h, sends} from './dom.ts';
import {Settings} from './settings.ts';
import {words} from './words.ts';

export function chat(models: Model[]): HTMLElement {
  const w = words();
  const able = models.filter(({kind}) => kind !== 'base');
  if (able.length === 0) return h('section', {}, h('p', {class: 'note'}, w.noInstruct));
  const choice = h('select', {}, able.map(({id}) => h('option', {value: id}, id)));
  const system = h('textarea', {rows: 1});
  const settings = new Settings(512);
  const turns = h('div', {class: 'turns', 'aria-live': 'polite'});
  const message = h('textarea', {rows: 2, required: true});
  const send = h('button', {class: 'primary'}, w.send);
  const stop = h('button', {type: 'button', hidden: true}, w.stop);
  const again = h('button', {type: 'button'}, w.newChat);
  const meter = h('meter', {min: 0, max: 1, high: 0.9, 'aria-label': w.contextLength});
  const used = h('span', {class: 'small'});
  const form = h('form', {}, field(w.message, message), h('p', {class: 'row'}, send, stop, again, meter, used));
  sends(message, form, true);

  let history: Message[] = [], running: AbortController | null = null;
  const model = () => able.find(({id}) => id === choice.value)!;
  function count(tokens: number) {
    const {context_length: all} = model();
    meter.hidden = all === undefined;
    meter.value = all === undefined ? 0 : tokens / all;
    used.textContent = all === undefined ? '' : w.context(tokens, all);
  }
  function start() {
    running?.abort();
    history = [];
    turns.replaceChildren();
    count(0);
  }
  again.onclick = start;
  choice.onchange = start;
  stop.onclick = () => running?.abort();

  form.onsubmit = async event => {
    event.preventDefault();
    if (running) return;
    const said: Message = {role: 'user', content: message.value};
    const answer = h('p', {class: 'said'}), end = h('span', {class: 'stop'});
    const card = h('article', {class: 'card instruct'}, h('p', {class: 'who'}, h('b', {}, choice.value), end), answer);
    turns.append(h('article', {class: 'card user'}, h('p', {class: 'who'}, h('b', {}, w.you)),
        h('p', {class: 'said'}, said.content)), card);
    message.value = '';
    running = new AbortController();
    stop.hidden = false;
    send.disabled = true;
    const asked: Message[] = system.value ? [{role: 'system', content: system.value}] : [];
    try {
      const body = {model: choice.value, messages: [...asked, ...history, said], ...settings.values};
      for await (const part of stream(body, running.signal)) {
        answer.append(part.text);
        if (part.reason) {
          end.textContent = w.reasons[part.reason];
          end.classList.toggle('eos', part.reason === 'stop');
        }
        if (part.usage) count(part.usage.total_tokens);
      }
    } catch (failure) {
      if ((failure as Error).name !== 'AbortError')
        card.append(h('p', {class: 'error', role: 'alert'}, w.failed((failure as Error).message)));
    }
    // What was said before a stop was said.
    if (turns.contains(card) && answer.textContent)
      history.push(said, {role: 'assistant', content: answer.textContent});
    running = null;
    stop.hidden = true;
    send.disabled = false;
    message.focus();
  };
  count(0);
  return h('section', {}, h('p', {class: 'note'}, w.chatNote), h('div', {class: 'row'}, field(w.model, choice), field(w.system, system)),
      settings.element, turns, form);
}
