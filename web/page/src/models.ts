// What each model is, as `seodang inspect` says it.
import {inspection, type Inspection, type Model} from './api.ts';
import {h} from './dom.ts';
import {language, words} from './words.ts';

function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; count >= 1024 && unit < 4; ++unit) count /= 1024;
  return `${count.toFixed(count < 10 ? 1 : 0)} ${units[unit]}`;
}

function facts(model: Model, found: Inspection): HTMLElement {
  const w = words();
  const count = (value: number) => value.toLocaleString(language.get(), {notation: 'compact', maximumFractionDigits: 2});
  const rows: [string, string][] = [
    [w.architecture, found.architecture], [w.parameters, count(found.parameters)], [w.dtype, found.dtype],
    [w.vocabulary, found.vocab_size.toLocaleString()], [w.contextLength, (model.context_length ?? 0).toLocaleString()]];
  return h('dl', {class: 'pairs'}, rows.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

function memory(model: Model, found: Inspection): HTMLElement {
  const w = words();
  return h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${model.id}: ${w.memory}`}, h('table', {},
      h('caption', {}, w.memory),
      h('thead', {}, h('tr', {}, [w.type, w.weights, w.cache, w.working, w.total, w.room].map(name => h('th', {scope: 'col'}, name)))),
      h('tbody', {}, Object.entries(found.memory).map(([type, m]) => h('tr', {},
          h('th', {scope: 'row'}, type === 'as_is' ? w.asIs : type),
          [m.weights, m.kv_cache, m.working, m.weights + m.kv_cache + m.working].map(size => h('td', {class: 'number'}, bytes(size))),
          h('td', {class: m.fits ? 'fits' : 'error'}, m.fits ? w.fits : w.tooLarge))))));
}

export function describe(models: Model[]): HTMLElement {
  const w = words();
  return h('section', {class: 'answers'}, models.map(model => {
    const card = h('article', {class: `card ${model.kind}`}, h('p', {class: 'who'},
        h('b', {}, model.id), h('span', {class: 'small'}, w.kinds[model.kind])));
    if (model.kind === 'remote') {
      card.append(h('p', {class: 'small'}, model.owned_by));
      return card;
    }
    inspection(model.id).then(found => card.append(facts(model, found),
        h('h2', {}, `${w.why} (${w.sure(Math.min(99, Math.round(100 * found.confidence)))})`),
        h('ul', {lang: 'en'}, found.evidence.map(text => h('li', {}, text))), memory(model, found)),
        (error: Error) => card.append(h('p', {class: 'error', role: 'alert'}, w.failed(error.message))));
    return card;
  }));
}
