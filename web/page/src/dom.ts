// Elements. Texts go in as text nodes only, so none can become markup.
type Child = Node | string | number | null;
type Attributes = Record<string, string | number | boolean | ((event: Event) => void)>;

export function h<Tag extends keyof HTMLElementTagNameMap>(
    tag: Tag, attributes: Attributes = {}, ...children: (Child | Child[])[]): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (typeof value === 'boolean') element.toggleAttribute(name, value);
    else element.setAttribute(name, String(value));
  }
  for (const child of children.flat()) if (child !== null) element.append(String(child) === child ? child : child as Node);
  return element;
}

let fields = 0;
// A control with its label.
export function field(label: string, control: HTMLElement): HTMLElement {
  control.id ||= `field-${++fields}`;
  return h('div', {class: 'field'}, h('label', {for: control.id}, label), control);
}

export function number(value: number, attributes: Attributes): HTMLInputElement {
  const input = h('input', {type: 'number', inputmode: 'decimal', ...attributes});
  input.value = String(value);
  return input;
}

// Ctrl+Enter (or ⌘+Enter) sends, as Enter does with `alone`.
export function sends(area: HTMLTextAreaElement, form: HTMLFormElement, alone = false): void {
  area.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || event.isComposing) return;
    if (!(event.ctrlKey || event.metaKey || (alone && !event.shiftKey))) return;
    event.preventDefault();
    form.requestSubmit();
  });
}

// White space and bytes that are no text, as something one can see.
export function visible(piece: string | number[]): string {
  if (typeof piece !== 'string') return piece.map(byte => `<${byte.toString(16).toUpperCase().padStart(2, '0')}>`).join('');
  return piece.replaceAll(' ', '␣').replaceAll('\n', '⏎').replaceAll('\t', '⇥');
}
