import '../../common.css';
import './page.css';
import {key, KeyWanted, type Model, models} from './api.ts';
import {chat} from './chat.ts';
import {compare} from './compare.ts';
import {field, h} from './dom.ts';
import {describe} from './models.ts';
import {next} from './next.ts';
import {runs, runsThere} from './runs.ts';
import {type Language, language, words} from './words.ts';

const kViews = {compare, next, chat, models: describe};
type View = keyof typeof kViews | 'runs';
const page = document.getElementById('page')!;

function askForKey(): HTMLElement {
  const w = words();
  const input = h('input', {type: 'password', autocomplete: 'off', required: true});
  const form = h('form', {}, h('p', {}, w.keyWanted), field(w.key, input), h('p', {}, h('button', {class: 'primary'}, w.send)));
  form.onsubmit = event => {
    event.preventDefault();
    key.set(input.value);
    void draw();
  };
  return form;
}

// A view that was left goes on where it was.
let drawn: Partial<Record<View, HTMLElement>> = {}, served: Model[] | null = null;

async function make(view: View, models: Model[]): Promise<HTMLElement> {
  if (view === 'runs') return runs((await runsThere())!);
  return models.length ? kViews[view](models) : h('p', {}, words().noModels);
}

async function draw() {
  const w = words();
  document.documentElement.lang = language.get();
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-language]'))
    button.setAttribute('aria-pressed', String(button.dataset.language === language.get()));
  try {
    served ??= await models();
    const views: View[] = Object.keys(kViews) as View[];
    if (await runsThere()) views.push('runs');
    const asked = location.hash.slice(1) as View;
    const view = views.includes(asked) ? asked : served.length ? 'compare' : views.at(-1)!;
    const tabs = document.getElementById('views')!;
    tabs.setAttribute('aria-label', 'Seodang');
    tabs.replaceChildren(...views.map(name => h('a', {
      href: `#${name}`, ...(name === view ? {'aria-current': 'page'} : {})}, w.views[name])));
    document.title = `${w.views[view]} · Seodang`;
    const content = drawn[view] ??= await make(view, served);
    page.replaceChildren(h('h1', {}, w.views[view]), content);
  } catch (error) {
    page.replaceChildren(error instanceof KeyWanted ? askForKey() :
        h('p', {class: 'error', role: 'alert'}, w.failed((error as Error).message)));
  }
}

for (const button of document.querySelectorAll<HTMLButtonElement>('[data-language]'))
  button.onclick = () => {
    language.set(button.dataset.language as Language);
    drawn = {};
    void draw();
  };
addEventListener('hashchange', () => void draw());
void draw();
