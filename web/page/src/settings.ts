import {field, h, number} from './dom.ts';
import {words} from './words.ts';

// The form's part that says how to generate.
export class Settings {
  private readonly maxTokens: HTMLInputElement;
  private readonly temperature = number(0, {min: 0, max: 2, step: 0.1});
  private readonly topP = number(1, {min: 0.01, max: 1, step: 0.01});
  private readonly seed = number(1, {step: 1});
  readonly element: HTMLElement;

  constructor(maxTokens: number) {
    const w = words();
    this.maxTokens = number(maxTokens, {min: 1, max: 100000, step: 1});
    this.element = h('details', {class: 'settings'}, h('summary', {}, w.settings), h('div', {class: 'row'},
        field(w.maxTokens, this.maxTokens), field(w.temperature, this.temperature),
        field(w.topP, this.topP), field(w.seed, this.seed)));
  }

  get values() {
    return {
      max_tokens: this.maxTokens.valueAsNumber,
      temperature: this.temperature.valueAsNumber,
      top_p: this.topP.valueAsNumber,
      seed: this.seed.valueAsNumber,
    };
  }
}
