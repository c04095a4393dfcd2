// Draws the report from the JSON in the page, with charts.js before it. Texts of models and corpora go in
// as text nodes only, so none of them can become markup.
"use strict";
const report = JSON.parse(document.getElementById("report").textContent);

const kWords = {
  ko: {
    title: (name) => `${name} 학습 보고서`,
    facts: ["말뭉치", "어휘 크기", "파라미터", "사전학습", "지시 튜닝", "튜닝 예제"],
    loss: "손실",
    lossNote: "토큰당 평균 음의 로그 가능도(nat). 낮을수록 다음 토큰을 잘 예측한다.",
    pretrain: "사전학습", instruct: "지시 튜닝(instruction tuning)",
    train: "학습", validation: "검증", replay: "리플레이(사전학습 데이터)",
    step: "스텝", lossAxis: "손실",
    answers: "같은 질문, 두 모델의 출력",
    answersNote: "기반(base) 모델은 프롬프트를 이어 쓰고, 지시(instruct) 모델은 질문에 대답한 뒤 멈춘다.",
    stop: {eos: "종료 토큰에서 멈춤", length: "길이 제한에서 잘림", stop: "정지 문자열에서 멈춤"},
    saw: (n) => `모델에 입력된 토큰 ${n}개`, silent: "(출력 없음)",
    manners: "대답하는 방식과 지식",
    mannersNote: "대답률(answer rate)은 형식에 맞는 대답 하나를 하고 스스로 멈춘 비율, 정답률은 옳은 사실을 담은 비율, 지식 프로브는 두 모델에 같은 평문을 주고 잰, 틀린 답 셋에 대한 옳은 답의 확률이다. 막대 아래는 차이(%p)와 95% 신뢰구간.",
    suite: "평가 세트", items: (n) => `${n}문항`,
    metrics: {answer_rate: "대답률", correct: "정답률", probe: "지식 프로브", perplexity: "퍼플렉시티"},
    explain: "다음 토큰 후보",
    explainNote: "스텝마다 후보 토큰과 그 확률. 붉은 것이 선택된 토큰이다.",
    growth: "학습 중 생성 결과",
    growthNote: "학습이 진행되는 동안 같은 프롬프트를 이어 쓴 결과.",
    said: "생성된 텍스트",
    corpus: "말뭉치",
    kept: "학습용", heldOut: "검증용", documents: "문서", tokens: "토큰",
    bytes: "크기", bytesPerToken: "토큰당 바이트", part: "종류", file: "파일", count: "개수",
    dropped: "제외된 문서와 이유",
    reasons: {"empty": "빈 문서", "too short": "너무 짧음", "duplicate": "중복", "near duplicate": "유사 중복"},
    replaced: (n) => `UTF-8이 아닌 바이트를 바꾼 문서: ${n}`,
    examples: "지시 튜닝 예제", genres: "문서 종류",
    card: "모델 카드", parameters: "파라미터",
    summary: {steps: "스텝 수", tokens: "학습 토큰 수", seconds: "소요 시간", tokens_per_second: "초당 토큰", peak_share: "이 기계의 행렬곱 최고 성능 대비", peak_memory: "최대 메모리", train_loss: "학습 손실", validation_loss: "검증 손실"},
    sources: "출처와 라이선스",
    made: (seed) => `Seodang이 만든 보고서. 시드 ${seed}. 모든 수치는 이 실행에서 측정했다.`,
    families: {"heldout": "물은 적 없는 것(개발용)", "heldout-reworded": "물은 적 없는 것(개발용), 처음 보는 표현", "final": "물은 적 없는 것(최종)", "final-reworded": "물은 적 없는 것(최종), 처음 보는 표현", "seen": "튜닝에서 물은 것", "general": "일반 문서"},
    framed: (frame, shots) => `기반 모델에 형식을 주면: ${frame}${shots ? `, 예시 3개: ${shots}` : ""}`,
    design: "실험 설계",
    designNote: "지시 튜닝이 바꾸는 것이 지식이 아니라 대답하는 방식이라면, 지시 모델은 아무도 물은 적 없는 것도 대답해야 한다. 그래서 대상을 시드로 셋으로 나눈다. 개발용은 레시피를 만드는 동안 보는 것이고, 최종은 재기만 하고 조정에는 쓰지 않는다.",
    groups: {taught: "가르친 것", heldout: "개발용", final: "최종"},
    told: {statements: "사실을 말하는 글(백과, 여행기, 표, 카드, 대화)을 읽는다", questions: "시험지, 퀴즈, 문답을 읽는다", tuning: "지시 예제로 튜닝한다", replayed: "튜닝 중 다시 읽는다(리플레이)", asked: "평가 세트에서 묻는다"},
    kinds: "문항 종류별 정답률", kindsNote: "평균은 한 종류가 모두 틀린 것을 숨긴다. 기반 → 지시.",
    kindNames: {capital: "수도", name: "수도로 나라", continent: "대륙", currency: "통화", language: "공용어"},
    wrong: "지시 모델의 틀린 대답", wanted: "옳은 답", answered: "대답", asked: "질문",
    probe: "지식 프로브", probeNote: "옳은 답의 확률(틀린 답 셋에 대하여)",
    lossWhy: "검증 손실이 학습 손실보다 낮을 수 있다. 학습 손실은 가중치를 고치기 전에 그 스텝의 배치에서 재고 검증 손실은 고친 뒤에 재며, 검증 문서는 다른 글이지만 같은 사실을 말하기 때문이다.",
    finetune: "파인튜닝",
    forgetting: "배운 것과 잊은 것",
    forgettingNote: "과제 점수는 학습에 쓰지 않은 예제로 잰다. 보존율은 일반 능력의 모든 평가 세트와 지표 가운데 가장 많이 잃은 것이다. 비율은 시작 가중치에서 그 스텝의 가중치까지 온 만큼이며, 괄호 안은 보존율이다.",
    task: "과제 점수", keptShare: "보존율", before: "전", after: "후", interval: "변화의 95% 구간",
    verdict: (f) => `일반 능력의 ${percent(f.kept)}를 보존했다.` + (f.budget ? ` 예산 ${percent(f.budget)}: ${f.met ? "지켰다" : "지키지 못했다"}.` : ""),
    frontier: "과제 점수와 보존율", share: "비율", lost: "잃은 정답", won: "얻은 정답",
    config: "config.json 펼치기",
    languages: {ko: "한국어", en: "영어"},
    duration: (h, m, s) => (h ? `${h}시간 ` : "") + (h || m ? `${m}분 ` : "") + (h ? "" : `${s}초`),
  },
  en: {
    title: (name) => `Training report: ${name}`,
    facts: ["Corpus", "Vocabulary", "Parameters", "Pretraining", "Instruction tuning", "Examples"],
    loss: "Loss",
    lossNote: "Mean negative log-likelihood per token, in nats. Lower means the next token is predicted better.",
    pretrain: "Pretraining", instruct: "Instruction tuning",
    train: "training", validation: "validation", replay: "replayed pretraining text",
    step: "step", lossAxis: "loss",
    answers: "One prompt, both models",
    answersNote: "The base model continues the prompt; the instruct model answers it and stops.",
    stop: {eos: "stopped by itself", length: "cut at the length limit", stop: "ended at a stop text"},
    saw: (n) => `the ${n} tokens it saw`, silent: "(no output)",
    manners: "Answering and knowledge",
    mannersNote: "Answer rate: share of questions given one well-formed answer that stops by itself. Correct: share that holds the right fact. Knowledge probe: probability of the right answer against three wrong ones, in the same plain text for both models. Below the bars, the difference in points with its 95% interval.",
    suite: "Suite", items: (n) => `${n} items`,
    metrics: {answer_rate: "Answer rate", correct: "Correct", probe: "Knowledge probe", perplexity: "Perplexity"},
    explain: "The candidates for the next token",
    explainNote: "The candidates at each step and their probabilities. The chosen token is in red.",
    growth: "Samples while training",
    growthNote: "How the same prompt was continued as training went on.",
    said: "continuation",
    corpus: "Corpus",
    kept: "for training", heldOut: "held out", documents: "documents", tokens: "tokens",
    bytes: "size", bytesPerToken: "bytes per token", part: "part", file: "file", count: "count",
    dropped: "What was dropped, and why",
    reasons: {},
    replaced: (n) => `Documents in which bytes that are not UTF-8 were replaced: ${n}`,
    examples: "Instruction examples", genres: "Genres",
    card: "Model card", parameters: "parameters",
    summary: {steps: "steps", tokens: "tokens learned from", seconds: "time", tokens_per_second: "tokens per second", peak_share: "share of this machine's matrix-product peak", peak_memory: "peak memory", train_loss: "training loss", validation_loss: "validation loss"},
    sources: "Sources and licences",
    made: (seed) => `Written by Seodang, seed ${seed}. Every number was measured in this run.`,
    families: {"heldout": "Never asked about (development)", "heldout-reworded": "Never asked about (development), new wordings", "final": "Never asked about (final)", "final-reworded": "Never asked about (final), new wordings", "seen": "Asked about in tuning", "general": "General prose"},
    framed: (frame, shots) => `base in a frame: ${frame}${shots ? `, with 3 shots: ${shots}` : ""}`,
    design: "Design of the experiment",
    designNote: "If tuning changes the manner of answering and not the knowledge, the instruct model must also answer about things that nobody ever asked about. So a seed divides them into three groups. Development is looked at while a recipe is made; final is measured and never tuned on.",
    groups: {taught: "taught", heldout: "development", final: "final"},
    told: {statements: "reads texts that state facts (encyclopedia, travel, tables, cards, talk)", questions: "reads exams, quizzes, questions with answers", tuning: "is tuned on instruction examples", replayed: "reads again while tuned (replay)", asked: "is asked by the suites"},
    kinds: "Correct by kind of question", kindsNote: "An average hides a kind that fails. Base → instruct.",
    kindNames: {capital: "capital", name: "country by capital", continent: "continent", currency: "currency", language: "language"},
    wrong: "Wrong answers of the instruct model", wanted: "wanted", answered: "answer", asked: "question",
    probe: "Knowledge probe", probeNote: "probability of the right answer against three wrong ones",
    lossWhy: "Validation loss may lie under training loss: training loss is measured on a step's batch before the weights are changed, validation loss after, and validation documents are other texts that state the same facts.",
    finetune: "Fine-tuning",
    forgetting: "What was learned, and what was forgotten",
    forgettingNote: "The task's score is measured on examples that were not learned from. Kept is the least of all general suites and metrics; in parentheses, that of each. Share: how much of the way from the starting weights to those of the step.",
    task: "Task score", keptShare: "Kept", before: "before", after: "after", interval: "change, 95% interval",
    verdict: (f) => `${percent(f.kept)} of general ability was kept.` + (f.budget ? ` Budget ${percent(f.budget)}: ${f.met ? "met" : "not met"}.` : ""),
    frontier: "Task score against what was kept", share: "share", lost: "Right answers lost", won: "Right answers won",
    config: "unfold config.json",
    languages: {ko: "Korean", en: "English"},
    duration: (h, m, s) => (h ? `${h} h ` : "") + (h || m ? `${m} min ` : "") + (h ? "" : `${s} s`),
  },
};
let language = navigator.language.startsWith("ko") ? "ko" : "en";
let words = kWords[language];

// Elements.
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.flat().filter((child) => child !== null));
  return node;
}
const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const section = (title, note, ...children) =>
  el("section", {}, el("h2", {}, title), note ? el("p", {class: "note"}, note) : null, ...children);
const row = (cells, tag = "td") => el("tr", {}, ...cells.map((cell, i) =>
  el(i ? tag : "th", i ? {class: "number"} : {scope: tag === "th" ? "col" : "row"}, cell)));
const table = (head, rows) => el("div", {class: "scroll"},
  el("table", {}, el("thead", {}, row(head, "th")), el("tbody", {}, ...rows.map((cells) => row(cells)))));

// Numbers.
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const number = (value, digits = 0) => isNumber(value)
  ? value.toLocaleString(language, {minimumFractionDigits: digits, maximumFractionDigits: digits}) : "–";
const short = (value) => isNumber(value)
  ? value.toLocaleString(language, {notation: "compact", maximumSignificantDigits: 3}) : "–";
const percent = (share) => isNumber(share) ? `${number(100 * share, 1)}%` : "–";
const duration = (seconds) => {
  if (!isNumber(seconds)) return "–";
  const s = Math.round(seconds);
  return words.duration(Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60).trim();
};
const bytes = (size) => {
  if (!isNumber(size)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; size >= 1000 && unit < units.length - 1; ++unit) size /= 1000;
  return `${number(size, unit ? 1 : 0)} ${units[unit]}`;
};
const visible = (text) => text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");

const models = report.models ?? [];
const summaryOf = (name) => models.find((model) => model.name === name)?.summary;
const configOf = () => models[0]?.config ?? {};
const examples = () => (report.corpus?.examples ?? []).reduce((sum, file) => sum + file.examples, 0);

// The suites in the order of a reader's interest.
function suites() {
  const scored = report.eval?.models ?? [];
  const rank = ["heldout", "heldout-reworded", "final", "final-reworded", "seen", "", "general"];
  const family = (name) => name.replace(/\.(ko|en)$/, "");
  const place = (name) => rank.includes(family(name)) ? rank.indexOf(family(name)) : rank.indexOf("");
  return Object.keys(scored[0]?.suites ?? {})
    .sort((a, b) => place(a) - place(b) || b.localeCompare(a))
    .map((name) => ({
      name, family: family(name), n: scored[0].suites[name].n,
      scores: scored.map((model) => model.suites[name] ?? {}),
      delta: report.eval.delta?.[name] ?? {},
    }));
}
function suiteName(suite) {
  const tongue = suite.name.slice(suite.family.length + 1);
  const family = words.families[suite.family] ?? suite.family;
  return tongue ? `${family} · ${words.languages[tongue]}` : family;
}
function meanOf(metric, model) {
  const asked = suites().filter((suite) => isNumber(suite.scores[0][metric]));
  const heldOut = asked.filter((suite) => suite.family === "final" || suite.family === "heldout");
  const counted = heldOut.length ? heldOut : asked;
  const n = counted.reduce((sum, suite) => sum + suite.n, 0);
  return n ? counted.reduce((sum, suite) => sum + suite.n * suite.scores[model]?.[metric], 0) / n : NaN;
}

function story() {
  if (!models.length) return null;
  const read = report.data?.train, base = summaryOf("base"), tuned = summaryOf("instruct");
  const b = (text) => el("b", {}, text);
  const parts = [];
  const say = (...texts) => parts.push(...texts);
  const before = (metric) => percent(meanOf(metric, 0)), after = (metric) => percent(meanOf(metric, 1));
  if (language === "ko") {
    if (read) say("문서 ", b(`${number(read.documents)}개`), `(${bytes(read.bytes)})로 `);
    say(`파라미터 ${short(models[0]?.parameters)}개인 모델을 `, b(duration(base?.seconds)), " 동안 사전학습했다. ");
    if (tuned) say(`이어서 예제 ${number(examples())}개로 `, b(duration(tuned.seconds)), " 동안 지시 튜닝했다. ");
    if (isNumber(meanOf("answer_rate", 1)))
      say("형식에 맞게 대답하고 멈춘 비율은 ", b(`${before("answer_rate")} → ${after("answer_rate")}`),
        ", 정답률은 ", b(`${before("correct")} → ${after("correct")}`), "가 되었다. ");
    if (isNumber(meanOf("probe", 1)))
      say("같은 평문으로 잰 지식 프로브는 ", b(`${before("probe")} → ${after("probe")}`), "이다.");
  } else {
    say(`A model of ${short(models[0]?.parameters)} parameters `);
    if (read) say("read ", b(`${number(read.documents)} documents`), ` (${bytes(read.bytes)}) and `);
    say("was pretrained on them in ", b(duration(base?.seconds)), ". ");
    if (tuned) say(`It then spent `, b(duration(tuned.seconds)), ` on instruction tuning with ${number(examples())} examples. `);
    if (isNumber(meanOf("answer_rate", 1)))
      say("Questions answered properly, stopping by itself: ", b(`${before("answer_rate")} → ${after("answer_rate")}`),
        "; answered correctly: ", b(`${before("correct")} → ${after("correct")}`), ". ");
    if (isNumber(meanOf("probe", 1)))
      say("What it knows, probed in the same plain text: ", b(`${before("probe")} → ${after("probe")}`), ".");
  }
  return el("p", {class: "lead"}, ...parts);
}

function facts() {
  if (!models.length) return null;
  const values = [bytes(report.data?.bytes_in), number(configOf().vocab_size), short(models[0]?.parameters),
    duration(summaryOf("base")?.seconds), duration(summaryOf("instruct")?.seconds), number(examples())];
  const shown = values.map((value, i) => [words.facts[i], value])
    .filter((_, i) => summaryOf("instruct") || i < 4);
  return el("dl", {class: "facts"}, ...shown.map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

// Curves (charts.js).
const chartText = () => ({step: words.step, names: words, number, short, percent,
  frontier: words.frontier, task: words.task, kept: words.keptShare, share: words.share});
function probes(lines) {
  return series(lines, kProbe).filter(([, list]) => list.length > 1);
}
function curves() {
  const stages = [["base", words.pretrain], ["instruct", words.instruct], ["finetune", words.finetune]]
    .map(([stage, title]) => [title, report.metrics?.[stage] ?? []]);
  const losses = stages.map(([title, lines]) => chart(title, series(lines, kLosses), chartText())).filter(Boolean);
  const known = stages.map(([title, lines]) => chart(`${title}: ${words.probe}`, probes(lines), chartText())).filter(Boolean);
  return losses.length ? section(words.loss, `${words.lossNote} ${words.lossWhy}`,
    el("div", {class: "grid"}, ...losses, ...known)) : null;
}

// What a fine-tune gained and cost.
function changes(title, list) {
  if (!list.length) return null;
  return el("details", {}, el("summary", {}, `${title} · ${words.items(number(list.length))}`),
    el("div", {class: "scroll"}, el("table", {class: "wrong"},
      el("thead", {}, el("tr", {}, ...[words.suite, words.asked, words.before, words.after].map((head) => el("th", {scope: "col"}, head)))),
      el("tbody", {}, ...list.map((item) => el("tr", {}, ...[item.suite, item.prompt, item.before, item.after].map((text) => el("td", {}, text))))))));
}
function forgetting() {
  const f = report.forgetting;
  if (!f) return null;
  const shown = (metric, value) => metric === "perplexity" ? number(value, 2) : percent(value);
  const general = Object.entries(f.general);
  const metrics = [...new Set(general.flatMap(([, of]) => Object.keys(of)))];
  const cell = (metric, values) => values ? `${shown(metric, values[0])} → ${shown(metric, values[1])} (${percent(values[2])})` : "";
  return section(words.forgetting, words.forgettingNote,
    general.length ? el("p", {class: "lead"}, words.verdict(f)) : null,
    table([words.task, words.before, words.after, words.interval], Object.entries(f.task).map(([name, [before, after, low, high]]) =>
      [name, percent(before), percent(after), `${signed(100 * low)} … ${signed(100 * high)}`])),
    general.length && f.frontier.length ? el("div", {class: "grid"}, frontier(f.frontier, chartText()),
      table([words.step, words.share, words.task, words.keptShare], f.frontier.map((point) =>
        [`${number(point.step)}${point.chosen ? " ●" : ""}`, number(point.share, 3), percent(point.task), percent(point.kept)]))) : null,
    general.length ? table([words.suite, ...metrics.map((metric) => words.metrics[metric] ?? metric)],
      general.map(([suite, of]) => [suite, ...metrics.map((metric) => cell(metric, of[metric]))])) : null,
    changes(words.lost, f.lost), changes(words.won, f.won));
}

// Who is read about, and who is asked about.
function design() {
  const split = report.split;
  if (!split) return null;
  const groups = Object.keys(words.groups).filter((group) => split[group]);
  const yes = {statements: groups, questions: ["taught"], tuning: ["taught"],
    replayed: (report.metrics?.instruct ?? []).length ? ["taught"] : [], asked: groups};
  return section(words.design, words.designNote, el("div", {class: "scroll"}, el("table", {class: "design"},
    el("thead", {}, el("tr", {}, el("th"), ...groups.map((group) =>
      el("th", {scope: "col"}, `${words.groups[group]} (${number(split[group])})`)))),
    el("tbody", {}, ...Object.entries(words.told).map(([what, text]) => el("tr", {},
      el("th", {scope: "row"}, text),
      ...groups.map((group) => el("td", {class: yes[what].includes(group) ? "yes" : "no"},
        yes[what].includes(group) ? "●" : "–"))))))));
}

// Scores of each kind of question, and what was answered wrongly.
function kinds() {
  const list = suites().filter((suite) => suite.scores.every((score) => score.kinds));
  if (!list.length) return null;
  const names = [...new Set(list.flatMap((suite) => Object.keys(suite.scores[0].kinds)))];
  const share = (score, kind) => score.kinds[kind] ? number(100 * score.kinds[kind].correct) : "–";
  const missed = (suite) => (suite.scores.at(-1).records ?? []).filter((record) => !record.correct);
  return section(words.kinds, words.kindsNote,
    table([words.suite, ...names.map((kind) => words.kindNames[kind] ?? kind)],
      list.map((suite) => [suiteName(suite), ...names.map((kind) =>
        suite.scores.map((score) => share(score, kind)).join(" → "))])),
    el("h3", {}, words.wrong),
    ...list.filter((suite) => missed(suite).length).map((suite) => el("details", {},
      el("summary", {}, `${suiteName(suite)} · ${words.items(number(missed(suite).length))}`),
      el("div", {class: "scroll"}, el("table", {class: "wrong"},
        el("thead", {}, el("tr", {}, ...[words.asked, words.answered, words.wanted].map((title) => el("th", {scope: "col"}, title)))),
        el("tbody", {}, ...missed(suite).map((record) => el("tr", {},
          ...[record.prompt, record.text, record.answers?.[0] ?? ""].map((text) => el("td", {}, text))))))))));
}

// Answers side by side.
function answers() {
  const asked = report.answers ?? [];
  if (!asked.length) return null;
  return section(words.answers, words.answersNote, ...asked.flatMap(({prompt, models: said}) => [
    el("p", {class: "prompt"}, prompt),
    el("div", {class: "grid"}, ...said.map((answer) =>
      el("article", {class: `card ${answer.kind === "instruct" ? "instruct" : "base"}`},
        el("p", {class: "who"}, el("b", {}, answer.name),
          el("span", {class: answer.stop === "eos" ? "stop eos" : "stop"}, words.stop[answer.stop] ?? answer.stop)),
        el("p", {class: "said"}, answer.text || words.silent),
        el("details", {}, el("summary", {}, words.saw(answer.seen.length)),
          el("div", {class: "tokens"}, ...answer.seen.map((token) => el("code", {}, visible(token)))))))),
  ]));
}

// Suites, before and after.
function bar(share, kind) {
  const graphic = el("i");
  graphic.style.setProperty("--share", isNumber(share) ? share : 0);
  return el("div", {class: `bar ${kind}`}, graphic, el("span", {}, percent(share)));
}
function signed(points) {
  return `${points < -0.05 ? "−" : points > 0.05 ? "+" : "±"}${number(Math.abs(points), 1)}`;
}
function metricCell(suite, metric) {
  const label = words.metrics[metric], scores = suite.scores.map((score) => score[metric]);
  if (!isNumber(scores[0])) return el("td");
  if (metric === "perplexity")
    return el("td", {class: "number", "data-label": label}, scores.map((value) => number(value, 2)).join(" → "));
  const change = suite.delta[metric];
  return el("td", {class: "pair", "data-label": label},
    ...scores.map((score, i) => bar(score, i ? "after" : "before")),
    change ? el("div", {class: "delta"},
      `${signed(100 * (change[1] - change[0]))} [${signed(100 * change[2])}, ${signed(100 * change[3])}]`) : null,
    metric === "correct" && isNumber(suite.scores[0].correct_framed) ? el("div", {class: "delta"},
      words.framed(percent(suite.scores[0].correct_framed),
        isNumber(suite.scores[0].correct_few_shot) ? percent(suite.scores[0].correct_few_shot) : "")) : null);
}
function manners() {
  const list = suites();
  if (!list.length) return null;
  const metrics = Object.keys(words.metrics).filter((metric) => list.some((suite) => isNumber(suite.scores[0][metric])));
  return section(words.manners, words.mannersNote,
    el("div", {class: "key"}, ...(report.eval.models.map((_, i) =>
      el("span", {class: i ? "instruct" : "base"}, models[i]?.name ?? String(i))))),
    el("table", {class: "suites"},
      el("thead", {}, el("tr", {}, el("th", {scope: "col"}, words.suite),
        ...metrics.map((metric) => el("th", {scope: "col", class: metric === "perplexity" ? "number" : ""}, words.metrics[metric])))),
      el("tbody", {}, ...list.map((suite) => el("tr", {},
        el("th", {scope: "row", class: "suite"}, suiteName(suite), el("small", {}, `${suite.name} · ${words.items(number(suite.n))}`)),
        ...metrics.map((metric) => metricCell(suite, metric)))))));
}

// Next tokens.
function step(taken) {
  const rows = taken.top.some((candidate) => candidate.id === taken.id) ? taken.top : [...taken.top, taken];
  return el("li", {class: "card step"}, el("ol", {}, ...rows.map((candidate) => {
    const graphic = el("i");
    graphic.style.setProperty("--share", candidate.probability);
    return el("li", {class: candidate.id === taken.id ? "chosen" : ""},
      el("code", {}, visible(candidate.text)), graphic, el("span", {}, percent(candidate.probability)));
  })));
}
function nextTokens() {
  const list = report.explain ?? [];
  if (!list.length) return null;
  return section(words.explain, words.explainNote, ...list.flatMap(({prompt, model, steps}) => [
    el("h3", {}, model),
    el("p", {class: "sentence"}, prompt,
      ...steps.flatMap(({text}) => [el("span", {class: "arrow"}, " → "), el("mark", {}, text.trim() || visible(text))])),
    el("ul", {class: "steps"}, ...steps.map(step)),
  ]));
}

// Samples along the way: at most twelve, evenly apart, with the first and last.
function growth() {
  const parts = [["base", words.pretrain], ["instruct", words.instruct]].flatMap(([name, title]) => {
    const said = (report.metrics?.[name] ?? []).filter((line) => typeof line.sample === "string");
    return [...new Set(said.map((line) => line.prompt))].flatMap((prompt) => {
      const all = said.filter((line) => line.prompt === prompt);
      const shown = all.filter((_, i) => all.length <= 12 ||
        Math.floor(i * 11 / (all.length - 1)) !== Math.floor((i - 1) * 11 / (all.length - 1)));
      return [el("h3", {}, `${title} · “${prompt}”`),
        el("div", {class: "growth scroll"}, el("table", {},
          el("thead", {}, el("tr", {}, el("th", {class: "number"}, words.step), el("th", {}, words.said))),
          el("tbody", {}, ...shown.map((line) =>
            el("tr", {}, el("td", {class: "number"}, number(line.step)), el("td", {}, line.sample))))))];
    });
  });
  return parts.length ? section(words.growth, words.growthNote, ...parts) : null;
}

function corpus() {
  const data = report.data, listed = report.corpus ?? {};
  if (!data) return null;
  const split = (name, part) => [name, number(part.documents), number(part.tokens), bytes(part.bytes)];
  const dropped = (data.dropped ?? []).filter((entry) => entry.documents > 0);
  return section(words.corpus, "",
    table([words.part, words.documents, words.tokens, words.bytes],
      [split(words.kept, data.train), split(words.heldOut, data.validation)]),
    el("p", {class: "small"}, `${words.bytesPerToken}: ${number(data.bytes_per_token, 2)}`,
      data.invalid_utf8_documents ? ` · ${words.replaced(number(data.invalid_utf8_documents))}` : ""),
    ...(dropped.length ? [el("h3", {}, words.dropped),
      table([words.part, words.documents, words.bytes], dropped.map((entry) => {
        const reason = words.reasons[entry.reason] ?? entry.reason;
        return [entry.example ? el("span", {title: entry.example}, reason) : reason, number(entry.documents), bytes(entry.bytes)];
      }))] : []),
    ...(Object.keys(listed.genres ?? {}).length ? [el("h3", {}, words.genres),
      table([words.genres, words.documents], Object.entries(listed.genres).map(([name, count]) => [name, number(count)]))] : []),
    ...(listed.files?.length ? [el("h3", {}, words.file),
      table([words.file, words.bytes], listed.files.map((file) => [file.name, bytes(file.bytes)]))] : []),
    ...(listed.examples?.length ? [el("h3", {}, words.examples),
      table([words.file, words.count], listed.examples.map((file) => [file.name, number(file.examples)]))] : []));
}

function card() {
  if (!models.length) return null;
  const measured = {steps: number, tokens: number, seconds: duration, tokens_per_second: number,
    peak_share: percent, peak_memory: bytes, train_loss: (v) => number(v, 4), validation_loss: (v) => number(v, 4)};
  const plain = Object.entries(configOf()).filter(([, value]) => typeof value !== "object");
  return section(words.card, "",
    table(["", ...models.map((model) => model.name)], [
      [words.parameters, ...models.map((model) => number(model.parameters))],
      ...Object.entries(measured).map(([key, show]) => [words.summary[key], ...models.map((model) => show(model.summary?.[key]))]),
    ]),
    el("details", {}, el("summary", {}, words.config),
      table(["", models[0].name], plain.map(([key, value]) => [key, String(value)]))));
}

function sources() {
  const list = report.sources ?? [];
  return list.length ? section(words.sources, "", el("ul", {}, ...list.map((text) => el("li", {}, text)))) : null;
}

function draw(chosen) {
  language = chosen;
  words = kWords[chosen];
  document.documentElement.lang = chosen;
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", String(button.dataset.language === chosen));
  const parts = [el("h1", {}, words.title(report.name)), story(), facts(), forgetting(), answers(), design(), manners(), kinds(), curves(),
    nextTokens(), growth(), corpus(), card(), sources(), el("footer", {}, words.made(report.seed), " ", [report.machine, report.date].filter(Boolean).join(" · "))];
  document.getElementById("page").replaceChildren(...parts.filter(Boolean));
}
for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => draw(button.dataset.language));
draw(language);
