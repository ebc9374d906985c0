// Calls of the hub's API that change the city: what came of them, and why where nothing did.
(() => {
  "use strict";
  const { texts, translated } = window.cityeye;

  // The status is 0 where there was no answer. A body may be a file.
  async function ask(method, url, body, kind = "application/json") {
    const headers = body ? { "Content-Type": kind } : {};
    const sent = body && !(body instanceof Blob) ? JSON.stringify(body) : body;
    try {
      const answer = await fetch(url, { method, headers, body: sent });
      const data = await answer.json().catch(() => ({}));
      return { status: answer.status, data, at: Date.parse(answer.headers.get("Date")) };
    } catch {
      return { status: 0, data: {}, at: 0 };
    }
  }

  const isDone = ({ status }) => status === 200 || status === 202;
  const sentence = ({ what, remedy }) => translated(what) ?? `${what}. ${remedy}`;

  function why({ status, data }) {
    const said = String(data.detail || "");
    return [texts[`error${status}`] || texts.error, said && (translated(said) ?? said)].filter(Boolean).join(" ");
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  Object.assign(window.cityeye, { ask, isDone, sentence, why, element });
})();
