// Curves of a training, and the frontier of a fine-tune, as SVG. Shared by the
// report (as plain script) and the server's page (as a module).
//
// `text` has the words and number formats of the page: step, names (of curves),
// number(value, digits), short(value), percent(share), and for the frontier
// frontier, task, kept, share.

const kSvg = "http://www.w3.org/2000/svg";

function node(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
const shape = (tag, attributes = {}, ...children) => node(document.createElementNS(kSvg, tag), attributes, children);
const element = (tag, attributes = {}, ...children) => node(document.createElement(tag), attributes, children);

function ticks(low, high, wanted) {
  const raw = (high - low) / wanted || 1, power = 10 ** Math.floor(Math.log10(raw));
  const size = [1, 2, 5, 10].map((m) => m * power).find((step) => step >= raw);
  const result = [];
  for (let i = Math.ceil(low / size); i * size <= high + 1e-9; ++i) result.push(+(i * size).toPrecision(6));
  return result;
}

// Of any size in a few characters.
const brief = (value, text, digits) => value >= 1e4 ? text.short(value)
  : value && Math.abs(value) < .01 ? value.toExponential(value.toPrecision(1) == value ? 0 : 1)
  : digits ? text.number(value, digits) : String(value);

// `lines` of metrics.jsonl → [[name, [[step, value], …]], …] of what there is.
// `keys` are pairs of a curve's name and the key of its values.
export function series(lines, keys) {
  return keys.map(([name, key]) => [name, lines.filter((line) => Number.isFinite(line[key])).map((line) => [line.step, line[key]])])
    .filter(([, list]) => list.length);
}
export const kLosses = [["train", "loss"], ["validation", "validation_loss"], ["replay", "replay_loss"]];
export const kProbe = [["probe", "probe"]];

// A figure of what series() gives; null of nothing.
export function chart(title, drawn, text) {
  const all = drawn.flatMap(([, list]) => list);
  if (!all.length) return null;
  const width = 440, height = 280, left = 48, right = 16, top = 10, bottom = 40;
  const lastStep = Math.max(1, ...all.map(([x]) => x));
  const values = all.map(([, y]) => y);
  const low = Math.min(...values) * .9, high = Math.max(...values) * 1.02 + 1e-9;
  const x = (step) => left + (width - left - right) * step / lastStep;
  const y = (value) => top + (height - top - bottom) * (high - value) / (high - low);
  const canvas = shape("svg", {class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${title}: ${drawn.map(([name, list]) => `${text.names[name]} ${brief(list[0][1], text, 2)} → ${brief(list.at(-1)[1], text, 2)}`).join(", ")}`});
  for (const value of ticks(low, high, 5))
    canvas.append(shape("line", {class: "rule", x1: left, x2: width - right, y1: y(value), y2: y(value)}),
      shape("text", {x: left - 6, y: y(value) + 4, "text-anchor": "end"}, brief(value, text)));
  for (const step of ticks(0, lastStep, 5))
    canvas.append(shape("text", {x: x(step), y: height - 22, "text-anchor": step ? "middle" : "start"}, text.short(step)));
  canvas.append(shape("text", {x: width - right, y: height - 4, "text-anchor": "end"}, text.step));
  for (const [name, list] of drawn) {
    canvas.append(shape("path", {class: name, d: "M" + list.map(([step, value]) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("L")}));
    if (name !== "train" || list.length === 1)
      for (const [step, value] of list)
        canvas.append(shape("circle", {class: name, cx: x(step), cy: y(value), r: 3}));
  }
  hover(canvas, drawn, text, (clientX) => {
    const box = canvas.getBoundingClientRect();
    return ((clientX - box.left) / box.width * width - left) / (width - left - right) * lastStep;
  }, (cursor, step) => { cursor.setAttribute("x1", x(step)); cursor.setAttribute("x2", x(step)); },
    shape("line", {class: "cursor", y1: top, y2: height - bottom, visibility: "hidden"}));
  return element("figure", {class: "card"}, element("figcaption", {}, title), canvas,
    element("div", {class: "key"}, ...drawn.map(([name, list]) =>
      element("span", {class: name}, `${text.names[name]} ${brief(list.at(-1)[1], text, 3)}`))));
}

// The page has an element #tip.
function hover(canvas, drawn, text, stepAt, move, cursor) {
  const tip = document.getElementById("tip");
  const nearest = (list, step) => list.reduce((a, b) => Math.abs(b[0] - step) < Math.abs(a[0] - step) ? b : a);
  canvas.append(cursor);
  canvas.addEventListener("pointermove", (event) => {
    const at = nearest(drawn[0][1], stepAt(event.clientX))[0];
    move(cursor, at);
    cursor.setAttribute("visibility", "visible");
    tip.textContent = `${text.step} ${text.number(at)}\n` + drawn.map(([name, list]) =>
      `${text.names[name]} ${brief(nearest(list, at)[1], text, 3)}`).join("\n");
    tip.hidden = false;
    const space = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.min(event.clientX + 14, space) + scrollX}px`;
    tip.style.top = `${event.pageY + 14}px`;
  });
  canvas.addEventListener("pointerleave", () => {
    tip.hidden = true;
    cursor.setAttribute("visibility", "hidden");
  });
}

// What a fine-tune gained and cost: `points` of forgetting.json's frontier.
export function frontier(points, text) {
  const width = 440, height = 280, left = 58, right = 24, top = 14, bottom = 40;
  const around = (values) => {
    const low = Math.min(...values), high = Math.max(...values), room = Math.max(.02, (high - low) * .1);
    return [Math.max(0, low - room), high + room];
  };
  const [keptLow, keptHigh] = around(points.map((point) => point.kept));
  const [taskLow, taskHigh] = around(points.map((point) => point.task));
  const x = (kept) => left + (width - left - right) * (kept - keptLow) / (keptHigh - keptLow);
  const y = (task) => top + (height - top - bottom) * (taskHigh - task) / (taskHigh - taskLow);
  const canvas = shape("svg", {class: "chart frontier", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": text.frontier});
  for (const value of ticks(taskLow, taskHigh, 5))
    canvas.append(shape("line", {class: "rule", x1: left, x2: width - right, y1: y(value), y2: y(value)}),
      shape("text", {x: left - 6, y: y(value) + 4, "text-anchor": "end"}, text.percent(value)));
  for (const value of ticks(keptLow, keptHigh, 4))
    canvas.append(shape("text", {x: x(value), y: height - 22, "text-anchor": "middle"}, text.percent(value)));
  canvas.append(shape("text", {x: width - right, y: height - 4, "text-anchor": "end"}, text.kept));
  for (const point of [...points].sort((a, b) => a.chosen - b.chosen))
    canvas.append(shape("circle", {class: point.chosen ? "chosen" : "", cx: x(point.kept), cy: y(point.task), r: point.chosen ? 6 : 3.5},
      shape("title", {}, `${text.step} ${point.step}, ${text.share} ${text.number(point.share, 3)}: ${text.task} ${text.percent(point.task)}, ${text.kept} ${text.percent(point.kept)}`)));
  return element("figure", {class: "card"}, element("figcaption", {}, `${text.frontier} (↑ ${text.task})`), canvas);
}
