// The pages of a listening test: consent, volume, headphones, questions, then a page a trial.
"use strict";

const main = document.getElementById("main");
const status = document.getElementById("status");
const where = document.documentElement.dataset.answers;
const store = where === "server" ? new ServerAnswers() : new BrowserAnswers(where === "preview");
let session, texts, player, onKey = null, onLeave = null;

function say(name, values = {}) {
  let text = texts?.[name] ?? name;
  for (const [key, value] of Object.entries(values)) text = text.replaceAll(`{${key}}`, value);
  return text;
}

// An element with text or elements in it; names that begin with "on" are listeners.
function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...inside.flat().filter((one) => one !== null && one !== undefined && one !== ""));
  return element;
}

function paragraphs(text) { return text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => make("p", {}, part.trim())); }

function tell(name, wrong = false) { status.textContent = name ? say(name) : ""; status.className = wrong ? "wrong" : ""; }

function show(heading, ...inside) {
  player?.stop();
  player = null;
  onKey = null;
  onLeave = null;
  const title = make("h1", { tabindex: "-1" }, heading);
  main.replaceChildren(title, ...inside.flat());
  tell("");
  scrollTo(0, 0);
  title.focus({ preventScroll: true });
}

function nextButton(name, action) {
  const button = make("button", { type: "button" }, say(name));
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    try { await action(); } finally { busy = false; }
  });
  return button;
}

// Try until it is done: networks fail. What is refused is not tried again.
async function insist(action) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 15000)) {
    try {
      const found = await action();
      tell("");
      return found;
    } catch (error) {
      if (error instanceof Refused) throw error;
      tell("not saved", true);
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

async function start() {
  try {
    session = await insist(() => store.load());
  } catch (error) {
    texts = { code: "en" };
    return show("Listening test", make("p", { class: "wrong" }, error.message));
  }
  texts = session.texts;
  document.documentElement.lang = texts.code;
  document.title = session.wording?.title || say("title");
  go();
}

function go() {
  if (session.state === "enroll") return enrollment();
  if (session.finished) return done();
  if (session.state !== "open") return show(document.title, make("p", {}, say(session.state)));
  if (!session.consented) return welcome();
  if (!session.facts.volume) return volume();
  if (session.tones.length && !session.facts.headphones) return headphones([]);
  if (session.about.length && !session.facts.about) return about();
  const page = session.pages.findIndex((_, number) => !session.answers[number]?.final);
  if (page < 0) { session.finished = true; return done(); }
  trial(page);
}

function enrollment() {
  const panel = session.parameter ? new URLSearchParams(location.search).get(session.parameter) : null;
  show(document.title, paragraphs(session.wording.introduction), make("div", { class: "next" }, nextButton("enroll", async () => {
    try { await insist(() => store.enroll(panel)); } catch (error) { return refuse(error); }
    session = await insist(() => store.load());
    go();
  })));
}

function refuse(error) { status.textContent = error.message; status.className = "wrong"; }

function welcome() {
  const { introduction, consent, ethics, pay, contact } = session.wording;
  const part = (name, text) => (text ? [make("h2", {}, say(name)), ...paragraphs(text)] : []);
  const resume = session.resume ? [make("h2", {}, say("resume")), make("p", { class: "link" }, session.resume)] : [];
  show(document.title, introduction ? paragraphs(introduction) : make("p", {}, say("welcome")),
    part("consent", consent), part("ethics", ethics), part("pay", pay), part("contact", contact), resume,
    make("div", { class: "next" }, nextButton(consent ? "agree" : "begin", async () => {
      try { await insist(() => store.consent()); } catch (error) { return refuse(error); }
      session.consented = true;
      go();
    })));
}

function soundRow(place, name) {
  const button = make("button", { type: "button", class: "second", onclick: () => player.toggle(place) }, name);
  const bar = make("progress", { max: "1", value: "0", "aria-label": name });
  const word = make("span", { class: "faint" });
  const draw = () => {
    button.textContent = player.playing(place) ? say("pause") : name;
    bar.value = player.sounds[place].audio.currentTime / player.sounds[place].seconds;
    word.textContent = player.whole(place) ? `✓ ${say("heard")}` : "";
  };
  return { element: make("div", { class: "sound" }, button, bar, word), draw };
}

function makePlayer(sounds, heard, changed) {
  return new Player(sounds.map(({ name, seconds }) => ({ address: `sounds/${name}.mp3`, seconds })), heard, changed,
    () => tell("no sound", true));
}

function volume() {
  const begin = nextButton("volume done", async () => {
    if (!player.allWhole) return tell("listen first", true);
    try { await insist(() => store.facts({ volume: true })); } catch (error) { return refuse(error); }
    session.facts.volume = true;
    go();
  });
  let row = null;
  show(say("volume"), make("p", {}, say("volume help")));
  player = makePlayer([session.volume], [], () => row?.draw());
  row = soundRow(0, say("play"));
  main.append(make("div", { class: "sounds" }, row.element), make("div", { class: "next" }, begin));
}

function headphones(given) {
  const number = given.length;
  if (number === session.tones.length) {
    return insist(() => store.facts({ headphones: given })).then(() => { session.facts.headphones = given; go(); }, refuse);
  }
  let row = null;
  show(say("headphones"), make("p", {}, say("headphones number", { number: number + 1, count: session.tones.length })));
  const choices = [0, 1, 2].map((place) => option("tone", String(place), say("tone", { number: place + 1 })));
  player = makePlayer([session.tones[number]], [], () => row?.draw());
  row = soundRow(0, say("play"));
  main.append(make("div", { class: "sounds" }, row.element),
    make("fieldset", {}, make("legend", {}, say("headphones help")), make("div", { class: "choices" }, choices)),
    make("div", { class: "next" }, nextButton("next", async () => {
      const chosen = main.querySelector("input:checked");
      if (!player.allWhole) return tell("listen first", true);
      if (!chosen) return tell("answer first", true);
      await headphones([...given, Number(chosen.value)]);
    })));
}

function option(name, value, text, checked = false) {
  return make("label", {}, make("input", { type: "radio", name, value, checked }), text);
}

function about() {
  const fields = session.about.map((question, number) => {
    const name = `about${number}`;
    const inside = question.choices.length
      ? make("div", { class: "choices" }, question.choices.map((choice) => option(name, choice, choice)))
      : make("input", { type: "text", name, maxlength: "200", "aria-label": question.question });
    return make("fieldset", {}, make("legend", {}, question.question), inside);
  });
  show(say("about"), fields, make("div", { class: "next" }, nextButton("next", async () => {
    const found = {};
    for (const [number, question] of session.about.entries()) {
      const field = question.choices.length
        ? main.querySelector(`input[name=about${number}]:checked`) : main.querySelector(`input[name=about${number}]`);
      if (!field?.value.trim()) return tell("answer first", true);
      found[question.name] = field.value.trim();
    }
    try { await insist(() => store.facts({ about: found })); } catch (error) { return refuse(error); }
    session.facts.about = found;
    go();
  })));
}

// A question's field: {element, value()}; changed() is called with each answer.
function field(question, kept, changed) {
  const scale = session.scales[question.scale];
  if (question.kind === "slider") return slider(question, scale, kept, changed);
  const choices = question.kind === "choices"
    ? question.choices.map((choice) => [choice, say(choice)])
    : Array.from({ length: question.most }, (_, point) => [String(point + 1), String(point + 1)]);
  const radios = choices.map(([value, text]) => option(question.key, value, text, String(kept ?? "") === value));
  const asked = question.kind === "count" ? say("beeps")
    : question.kind === "choices" && scale.overall ? say("better") : scale.question;
  const points = question.kind === "points";
  const element = make("fieldset", { onchange: changed }, make("legend", {}, asked),
    scale?.meaning ? make("p", { class: "faint" }, `${scale.name}: ${scale.meaning}`) : null,
    make("div", { class: question.kind === "choices" ? "choices" : "points" }, radios),
    points ? make("div", { class: "ends" }, make("span", {}, `1 = ${scale.lowest}`), make("span", {}, `${question.most} = ${scale.highest}`)) : null);
  const value = () => {
    const chosen = element.querySelector("input:checked")?.value;
    return chosen === undefined ? undefined : question.kind === "choices" ? chosen : Number(chosen);
  };
  const choose = (place) => {
    const radio = element.querySelectorAll("input")[place];
    if (radio) { radio.checked = true; changed(); }
    return Boolean(radio);
  };
  return { key: question.key, element, value, choose };
}

function slider(question, scale, kept, changed) {
  const letter = String.fromCharCode(65 + question.place);
  let touched = kept !== undefined;
  const input = make("input", {
    type: "range", min: "0", max: "100", step: "1", class: touched ? null : "unset",
    "aria-label": `${scale.name}, ${letter}, 0 = ${scale.lowest}, 100 = ${scale.highest}`,
  });
  input.value = kept ?? 50;
  const shown = make("output", {}, touched ? String(kept) : "–");
  const set = (event) => {
    touched = true;
    input.classList.remove("unset");
    shown.textContent = input.value;
    changed(event);
  };
  input.addEventListener("input", set);
  input.addEventListener("click", set);
  input.addEventListener("keydown", (event) => { if (event.key === " ") { event.preventDefault(); set(event); } });
  const element = make("div", { class: "slider" }, make("span", {}, say("play sound", { letter })), input, shown);
  return { key: question.key, scale: question.scale, element, value: () => (touched ? Number(input.value) : undefined), choose: () => false };
}

// Sliders of one scale stand together under its question.
function grouped(fields) {
  const found = [];
  for (const one of fields) {
    if (one.scale === undefined) { found.push(one.element); continue; }
    let group = found.find((element) => element.dataset?.scale === String(one.scale));
    if (!group) {
      const scale = session.scales[one.scale];
      group = make("fieldset", { "data-scale": String(one.scale) }, make("legend", {}, scale.question),
        scale.meaning ? make("p", { class: "faint" }, `${scale.name}: ${scale.meaning}`) : null,
        make("div", { class: "ends" }, make("span", {}, `0 = ${scale.lowest}`), make("span", {}, `100 = ${scale.highest}`)));
      found.push(group);
    }
    group.append(one.element);
  }
  return found;
}

function minutesLeft(page) {
  const left = session.pages.slice(page).reduce((sum, one) => sum + one.expected, 0);
  return Math.max(1, Math.round(left / 60));
}

function trial(page) {
  const content = session.pages[page];
  const kept = session.answers[page] || { answer: {}, heard: [], number: 0 };
  let number = kept.number, timer = 0, rows = [], going = false;
  const collected = () => Object.fromEntries(fields.map((one) => [one.key, one.value()]).filter(([, value]) => value !== undefined));
  const message = (final) => ({
    page, final, number: ++number, answer: collected(),
    heard: content.sounds.map((_, place) => Math.round(player.heard(place) * 1000) / 1000),
    seconds: player.sinceEnd === null ? null : Math.min(86400, Math.round(player.sinceEnd * 1000) / 1000),
  });
  const draft = () => {
    clearTimeout(timer);
    timer = 0;
    const sent = message(false);
    session.answers[page] = { ...sent };
    tell("saving");
    store.save(sent).then(() => { if (!going) tell("saved"); },
      (error) => { if (error instanceof Refused) refuse(error); else tell("not saved", true); });
  };
  // A slider that moves is saved when it rests, all else at once.
  const changed = (event) => {
    clearTimeout(timer);
    if (event?.target?.type === "range") timer = setTimeout(draft, 150);
    else draft();
    ready();
  };
  onLeave = () => { if (timer) draft(); };
  const fields = content.questions.map((question) => field(question, kept.answer[question.key], changed));
  const complete = () => player.allWhole && fields.every((one) => one.value() !== undefined);
  const next = nextButton("next", async () => {
    if (!player.allWhole) return tell("listen first", true);
    if (!complete()) return tell("answer first", true);
    clearTimeout(timer);
    timer = 0;
    going = true;
    tell("saving");
    const sent = message(true);
    try {
      const found = await insist(() => store.save(sent));
      session.answers[page] = sent;
      Object.assign(session, found);
      go();
    } catch (error) {
      going = false;
      if (error.status === 409) return start();  // another tab or device went on
      refuse(error);
    }
  });
  const ready = () => { next.setAttribute("aria-disabled", String(!complete())); };
  show(content.practice ? say("practice") : say("page", { number: page + 1, count: session.pages.length }));
  player = makePlayer(content.sounds, kept.heard, () => { rows.forEach((row) => row.draw()); ready(); });
  rows = content.sounds.map((_, place) => soundRow(place,
    content.sounds.length === 1 ? say("play") : say("play sound", { letter: String.fromCharCode(65 + place) })));
  main.append(make("div", { class: "top" }, make("span", { class: "faint" }, say("left", { minutes: minutesLeft(page) })),
    make("span", { class: "faint" }, say("keys"))),
  make("progress", { max: session.pages.length, value: page, "aria-label": say("page", { number: page + 1, count: session.pages.length }) }),
  ...(content.text ? [make("h2", {}, say("prompt")), make("p", { class: "prompt" }, content.text)] : []),
  ...(content.genre ? [make("p", {}, `${say("genre")}: ${content.genre}`)] : []),
  make("div", { class: "sounds" }, rows.map((row) => row.element)), ...grouped(fields), make("div", { class: "next" }, next));
  rows.forEach((row) => row.draw());
  ready();
  onKey = (event) => {
    if (event.key === " ") { player.toggle(Math.max(0, rows.findIndex((_, place) => !player.whole(place)))); return true; }
    if (event.key === "Enter") { next.click(); return true; }
    if (/^[0-9]$/.test(event.key)) {
      const open = fields.find((one) => one.value() === undefined) ?? fields.at(-1);
      return open.choose(event.key === "0" ? 9 : Number(event.key) - 1);
    }
    return false;
  };
}

addEventListener("pagehide", () => onLeave?.());

document.addEventListener("keydown", (event) => {
  const control = event.target.closest?.("button, a, input, select, textarea");
  if (!onKey || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  // A radio button keeps its own keys but numbers and Enter.
  if (control && !(control.type === "radio" && event.key !== " ")) return;
  if (onKey(event)) event.preventDefault();
});

function done() {
  const { code, address } = session.completion ?? {};
  const file = store.file;
  const url = file && URL.createObjectURL(file.content);
  show(say("done"), session.wording.thanks ? paragraphs(session.wording.thanks) : [],
    ...(file ? [make("p", {}, make("a", { class: "button", href: url, download: file.name }, say("download"))), make("p", {}, say("send"))] : []),
    ...(code ? [make("h2", {}, say("code is")), make("p", { class: "link" }, code)] : []),
    ...(address ? [make("p", {}, make("a", { class: "button", href: address, rel: "noreferrer" }, say("to panel")))] : []));
}

start();
