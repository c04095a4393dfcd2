// What training writes: its curves, as they grow, its samples, what a fine-tune
// kept, and reports.
import {chart, frontier, type FrontierPoint, kLosses, kProbe, series} from '../../charts.js';
import {getJson, getText} from './api.ts';
import {field, h} from './dom.ts';
import {language, words} from './words.ts';

interface Run {
  name: string;
  updated: number;
  forgetting: boolean;
}
interface List {
  runs: Run[];
  reports: string[];
}
interface Line extends Record<string, unknown> {
  step: number;
  prompt?: string;
  sample?: string;
}
interface Forgetting {
  budget: number | null;
  met: boolean;
  kept: number;
  task: Record<string, [before: number, after: number]>;
  general: Record<string, Record<string, [before: number, after: number, kept: number]>>;
  frontier: FrontierPoint[];
}

// Null when the server shows no runs.
export const runsThere = () => getJson<List | null>('runs');

const kPoll = 2000, kQuiet = 60;  // milliseconds, and seconds until it counts as ended
const digits = (count: number) => ({minimumFractionDigits: count, maximumFractionDigits: count});
const format = {
  number: (value: number, count = 0) => value.toLocaleString(language.get(), digits(count)),
  short: (value: number) => value.toLocaleString(language.get(), {notation: 'compact', maximumSignificantDigits: 3}),
  percent: (share: number) => `${(100 * share).toLocaleString(language.get(), digits(1))}%`,
};

export function runs(list: List): HTMLElement {
  const w = words();
  const text = {...format, step: w.step, names: w.curves, frontier: w.frontier, task: w.task, kept: w.kept, share: w.share};
  const choice = h('select', {}, list.runs.map(({name}) => h('option', {value: name}, name)));
  const state = h('p', {class: 'small', role: 'status'});
  const reports = h('details', {}, h('summary', {}, w.reports(list.reports.length)), h('p', {class: 'row'}, list.reports.map(name => {
    const button = h('button', {type: 'button'}, name);
    // A window of its own cannot send an API key.
    button.onclick = async () => {
      const blob = new Blob([await getText(`runs/report?name=${encodeURIComponent(name)}`)], {type: 'text/html'});
      window.open(URL.createObjectURL(blob), '_blank');
    };
    return button;
  })));
  reports.hidden = list.reports.length === 0;
  const curves = h('div', {class: 'grid'}), samples = h('div', {}), forgotten = h('div', {});
  const section = h('section', {}, h('p', {class: 'note'}, w.runsNote),
      list.runs.length ? field(w.run, choice) : h('p', {}, w.noRuns), state, reports, curves, samples, forgotten);

  let lines: Line[] = [], next = 0, timer = 0;
  function draw() {
    const drawn = [chart(w.loss, series(lines, kLosses), text),
      ...([['probe', kProbe], ['learningRate', [['learningRate', 'learning_rate']]], ['speed', [['speed', 'tokens_per_second']]]] as
          [keyof typeof w.curves, [string, string][]][])
          .map(([name, keys]) => chart(w.curves[name]!, series(lines, keys), text))];
    curves.replaceChildren(...drawn.filter(figure => figure !== null));
    const last = new Map(lines.filter(line => line.sample !== undefined).map(line => [line.prompt!, line]));
    samples.replaceChildren(...(last.size ? [h('h2', {}, w.samples), h('dl', {class: 'samples'}, [...last.values()].flatMap(line => [
      h('dt', {}, line.prompt!, ' ', h('span', {class: 'small'}, `${w.step} ${line.step}`)), h('dd', {}, line.sample!)]))] : []));
  }
  async function read(name: string) {
    const got = await getJson<{lines: Line[]; next: number; updated: number}>(`runs/metrics?name=${encodeURIComponent(name)}&from=${next}`);
    if (name !== choice.value) return;
    next = got.next;
    if (got.lines.length || !lines.length) {
      lines = lines.concat(got.lines);
      draw();
    }
    const age = Date.now() / 1000 - got.updated;
    const at = lines.at(-1)?.step ?? 0;
    state.textContent = age < kQuiet ? w.training(at) : w.ended(at);
    clearTimeout(timer);
    // A view that was left is not kept up.
    timer = window.setTimeout(() => void (section.isConnected ? read(choice.value) : wait()), age < kQuiet ? kPoll : 5 * kPoll);
  }
  function wait() {
    timer = window.setTimeout(() => void (section.isConnected ? read(choice.value) : wait()), kPoll);
  }
  async function show() {
    clearTimeout(timer);
    lines = [];
    next = 0;
    forgotten.replaceChildren();
    await read(choice.value);
    const run = list.runs.find(({name}) => name === choice.value);
    if (run?.forgetting) forgotten.replaceChildren(...whatWasKept(
        await getJson<Forgetting>(`runs/forgetting?name=${encodeURIComponent(run.name)}`)));
  }
  function whatWasKept(f: Forgetting): HTMLElement[] {
    const cell = (metric: string, values?: [number, number, number]) => {
      const shown = (value: number) => metric === 'perplexity' ? format.number(value, 2) : format.percent(value);
      return values ? `${shown(values[0])} → ${shown(values[1])} (${format.percent(values[2])})` : '';
    };
    const metrics = [...new Set(Object.values(f.general).flatMap(of => Object.keys(of)))];
    const row = (name: string, cells: string[]) => h('tr', {}, h('th', {scope: 'row'}, name), cells.map(text => h('td', {class: 'number'}, text)));
    const table = (label: string, head: string[], rows: HTMLElement[]) => h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label},
        h('table', {}, h('thead', {}, h('tr', {}, head.map(name => h('th', {scope: 'col'}, name)))), h('tbody', {}, rows)));
    return [h('h2', {}, w.forgetting), h('p', {}, w.verdict(format.percent(f.kept), f.budget ? format.percent(f.budget) : '', f.met)),
      ...(f.frontier.length ? [h('div', {class: 'grid'}, frontier(f.frontier, text), table(w.task, [w.task, w.before, w.after],
          Object.entries(f.task).map(([name, [before, after]]) => row(name, [format.percent(before), format.percent(after)]))))] : []),
      table(w.forgetting, [w.suite, ...metrics.map(name => w.metrics[name as keyof typeof w.metrics] ?? name)],
          Object.entries(f.general).map(([name, of]) => row(name, metrics.map(metric => cell(metric, of[metric]))))),
    ];
  }
  choice.onchange = () => void show();
  if (list.runs.length) void show();
  return section;
}
