// What all scripts of the pages begin with: their texts, and calls of the hub's API, of which each gives
// what came of it and why where nothing did.
(() => {
  "use strict";
  const texts = JSON.parse(document.getElementById("cy-texts").textContent);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (held, name) => String(values[name] ?? held));

  // A sentence of the API in the language of the page; undefined where it is not known.
  function translated(sentence) {
    for (const [english, own] of Object.entries(texts.problems ?? {})) {
      const names = Array.from(english.matchAll(/\{(\w+)\}/g), (one) => one[1]);
      const parts = english.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      const found = new RegExp(`^${parts.join("(.+?)")}$`).exec(sentence);
      if (found) return fill(own, Object.fromEntries(names.map((name, at) => [name, found[at + 1]])));
    }
    return undefined;
  }

  // Never throws: the status is 0 where no whole answer came. `body` may be a file, of type `kind`.
  // `data` is what the JSON of the answer holds, or with `as: "blob"` the file that it is.
  async function ask(method, url, body, { kind = "application/json", as = "json" } = {}) {
    const headers = body ? { "Content-Type": kind } : {};
    const sent = body && !(body instanceof Blob) ? JSON.stringify(body) : body;
    try {
      const answer = await fetch(url, { method, headers, body: sent });
      const at = Date.parse(answer.headers.get("Date"));
      const data = answer.ok && as === "blob" ? await answer.blob() : await answer.json().catch(() => ({}));
      return { status: answer.status, data, at };
    } catch {
      return { status: 0, data: {}, at: 0 };
    }
  }

  const isDone = ({ status }) => status >= 200 && status < 300;
  const sentence = ({ what, remedy }) => translated(what) ?? `${what}. ${remedy}`;

  // The API's own sentence is in English; the page has one for each status in its own language.
  const words = ({ status }) => texts[`error${status}`] || texts.error;

  function why(answer) {
    const said = String(answer.data.detail || "");
    return [words(answer), said && (translated(said) ?? said)].filter(Boolean).join(" ");
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  window.cityeye = { texts, fill, translated, ask, isDone, sentence, words, why, element };
})();
