// The text as tokens, each with its probability; the candidates of one, and
// another road from there.
import {type Candidate, type Model, stream, tokenize} from './api.ts';
import {field, h, sends, visible} from './dom.ts';
import {words} from './words.ts';

interface Step {
  id: number;
  piece: string | number[];
  probability?: number;
  candidates?: Candidate[];
}

const kTop = 12, kMany = 16;
const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
const pieceOf = (c: Candidate) => c.token.includes('\uFFFD') ? c.bytes : c.token;

export function next(served: Model[]): HTMLElement {
  const w = words();
  const models = served.filter(({kind}) => kind !== 'remote');
  if (models.length === 0) return h('section', {}, h('p', {class: 'note'}, w.noModels));
  const choice = h('select', {}, models.map(({id, kind}) => h('option', {value: id}, `${id} (${w.kinds[kind]})`)));
  const text = h('textarea', {rows: 2, required: true});
  text.value = w.exampleStart;
  const one = h('button', {class: 'primary', type: 'button', disabled: true}, w.oneMore);
  const many = h('button', {type: 'button', disabled: true}, w.more(kMany));
  const form = h('form', {}, field(w.model, choice), field(w.startText, text),
      h('p', {class: 'row'}, h('button', {}, w.read), one, many));
  sends(text, form);
  const line = h('div', {class: 'text-tokens', role: 'group', 'aria-label': w.writtenTokens});
  const panel = h('div', {class: 'candidates', 'aria-live': 'polite'});
  const error = h('p', {class: 'error', role: 'alert'});

  let steps: Step[] = [], selected = -1, running = new AbortController();
  const guarded = (work: (signal: AbortSignal) => Promise<void>) => async () => {
    running.abort();
    const mine = running = new AbortController();
    error.textContent = '';
    try {
      await work(mine.signal);
    } catch (failure) {
      if ((failure as Error).name !== 'AbortError') error.textContent = w.failed((failure as Error).message);
    }
  };
  const ids = (count: number) => steps.slice(0, count).map(step => step.id);

  function draw() {
    line.replaceChildren(...steps.map((step, i) => {
      const known = step.probability !== undefined;
      const chip = h('button', {
        type: 'button', class: known ? 'written' : 'given', 'aria-pressed': String(i === selected),
        title: known ? percent(step.probability!) : String(step.id), disabled: i === 0,
      }, visible(step.piece), known ? h('small', {}, percent(step.probability!)) : null);
      if (known) chip.style.setProperty('--share', String(step.probability));
      chip.onclick = guarded(signal => select(i, signal));
      return chip;
    }));
    one.disabled = many.disabled = steps.length === 0;
    const step = steps[selected];
    panel.replaceChildren();
    if (!step?.candidates) return;
    const listed = step.candidates.some(({id}) => id === step.id);
    panel.append(h('h2', {}, w.candidatesOf(visible(step.piece))),
        h('ol', {}, step.candidates.map(candidate => {
          const share = Math.exp(candidate.logprob);
          const label = visible(pieceOf(candidate));
          const row = h('button', {type: 'button', class: candidate.id === step.id ? 'chosen' : ''},
              h('code', {}, label), h('i', {}), h('span', {}, percent(share)));
          row.style.setProperty('--share', String(share));
          row.onclick = guarded(signal => take(selected, candidate, signal));
          return h('li', {}, row);
        })));
    if (!listed) panel.append(h('p', {class: 'small'}, w.unlisted(visible(step.piece))));
  }

  async function write(count: number, signal: AbortSignal) {
    const body = {model: choice.value, prompt: ids(steps.length), max_tokens: count, temperature: 0, logprobs: kTop};
    for await (const {tokens} of stream(body, signal)) {
      for (const token of tokens) {
        steps.push({id: token.id, piece: pieceOf(token), probability: Math.exp(token.logprob), candidates: token.top_logprobs});
        selected = steps.length - 1;
      }
      if (tokens.length) draw();
    }
  }
  async function select(i: number, signal: AbortSignal) {
    const step = steps[i]!;
    selected = i;
    if (!step.candidates) {
      const body = {model: choice.value, prompt: ids(i), max_tokens: 1, temperature: 0, logprobs: 20};
      for await (const {tokens} of stream(body, signal))
        if (tokens[0]) step.candidates = tokens[0].top_logprobs;
      const found = step.candidates?.find(({id}) => id === step.id);
      if (found) step.probability = Math.exp(found.logprob);
    }
    draw();
  }
  async function take(i: number, candidate: Candidate, signal: AbortSignal) {
    const {candidates} = steps[i]!;
    steps = steps.slice(0, i);
    steps.push({id: candidate.id, piece: pieceOf(candidate), probability: Math.exp(candidate.logprob), candidates: candidates!});
    selected = i;
    draw();
    await write(kMany, signal);
  }

  form.onsubmit = event => {
    event.preventDefault();
    void guarded(async signal => {
      steps = await tokenize(choice.value, {content: text.value.normalize('NFC')});
      selected = -1;
      draw();
      await write(1, signal);
    })();
  };
  one.onclick = guarded(signal => write(1, signal));
  many.onclick = guarded(signal => write(kMany, signal));
  return h('section', {}, h('p', {class: 'note'}, w.nextNote), form, error, line, panel);
}
