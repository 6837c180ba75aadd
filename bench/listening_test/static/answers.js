// Keeps what a listener says: with the server that served the page, or in the browser where there is none.
"use strict";

class Refused extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

// headers: more of them; what a page says of its session says which that is, since another tab may have joined another.
async function ask(address, content, headers = {}) {
  const body = JSON.stringify(content);
  const options = content === undefined
    ? { headers: { accept: "application/json" } }
    : { method: "POST", headers: { "content-type": "application/json", ...headers }, body, keepalive: body.length < 30000 };
  const response = await fetch(address, { ...options, credentials: "same-origin", cache: "no-store" });
  const found = await response.json().catch(() => ({}));
  if (response.ok) return found;
  if (response.status >= 500 || response.status === 429) throw new Error(found.error || response.statusText);
  throw new Refused(found.error || response.statusText, response.status);
}

// What the server has not got yet, because the network failed or the page was left, is kept here until it has.
class ServerAnswers {
  async load() {
    const session = await ask("api/session");
    this.key = `listening test ${session.test} ${session.listener}`;
    this.headers = { "x-listener": String(session.listener) };
    const { page, ...draft } = JSON.parse(localStorage.getItem(this.key) || "{}");
    const known = session.answers?.[page];
    if (page !== undefined && session.answers && !known?.final && draft.number > (known?.number ?? 0)) {
      session.answers[page] = { ...draft, final: false };
    }
    return session;
  }

  enroll(panel) { return ask("api/enroll", panel ? { panel } : {}); }
  consent() { return ask("api/consent", {}, this.headers); }
  facts(facts) { return ask("api/facts", facts, this.headers); }

  async save(answer) {
    localStorage.setItem(this.key, JSON.stringify(answer));
    const found = await ask("api/answer", answer, this.headers);
    if (answer.final) localStorage.removeItem(this.key);
    return found;
  }
}

// The sessions lie beside the page, in sessions.js; answers stay here until they are downloaded or sent. Of a preview,
// nothing is kept.
class BrowserAnswers {
  constructor(preview) { this.preview = preview; }

  async load() {
    const test = window.listeningTest;
    const asked = new URLSearchParams(location.search);
    const wished = Number.parseInt(asked.get("listener") || "", 10), count = test.sessions.length;
    const given = wished >= 1 && wished <= count;
    // Listeners with numbers of their own may share a browser.
    this.key = `listening test ${test.test}${given ? ` ${wished}` : ""}`;
    this.kept = this.preview ? null : JSON.parse(localStorage.getItem(this.key) || "null");
    if (!this.kept) {
      const listener = given ? wished - 1 : Math.floor(Math.random() * count);
      this.kept = {
        test: test.test, listener, person: this.name(), consented: false, facts: {}, answers: {},
        panel: test.parameter ? (asked.get(test.parameter) || "").slice(0, 100) : "",
      };
      this.keep();
    }
    this.test = test;
    this.send();
    return { ...test, pages: test.sessions[this.kept.listener], sessions: undefined, ...this.state() };
  }

  // Of a file, so that those of two listeners differ; crypto.randomUUID is there with https alone.
  name() { return Array.from(crypto.getRandomValues(new Uint32Array(4)), (one) => one.toString(16).padStart(8, "0")).join(""); }

  state() {
    const { consented, facts, answers } = this.kept;
    const finished = this.test.sessions[this.kept.listener].every((_, page) => answers[page]?.final);
    return { consented, facts, answers, finished, state: "open" };
  }

  keep() { if (!this.preview) localStorage.setItem(this.key, JSON.stringify(this.kept)); }

  async consent() { this.kept.consented = true; this.keep(); return {}; }

  async facts(facts) { this.kept.facts = { ...facts, ...this.kept.facts }; this.keep(); return {}; }

  async save({ page, ...answer }) {
    if (!this.kept.answers[page]?.final) { this.kept.answers[page] = answer; this.keep(); }
    await this.send();
    return { finished: this.state().finished };
  }

  // Send all answers to the organizer's address once they are whole; where that fails, when the page is next loaded.
  async send() {
    if (!this.test.send || this.kept.sent || this.preview || !this.state().finished) return;
    await ask(this.test.send, this.kept).then(() => { this.kept.sent = true; this.keep(); }).catch(() => {});
  }

  // The file that the listener sends to the organizer.
  get file() {
    const name = `answers-${this.kept.person}.json`;
    return { name, content: new Blob([JSON.stringify(this.kept, null, 1)], { type: "application/json" }) };
  }
}
