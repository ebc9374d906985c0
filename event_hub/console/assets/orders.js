// Orders: a dialog asks for what the API needs, sends it as JSON, and says what came of it. The page
// itself changes by what the server sends, never here.
(() => {
  "use strict";
  const { ask, isDone, words, texts } = window.cityeye;
  const OWN_WORDS = [409, 422]; // Of these the API's own sentence says what to do.

  function say(form, part, text) {
    const place = form.querySelector(`[${part}]`);
    place.textContent = text;
    place.hidden = !text;
    place.lang = "";
    return place;
  }

  function open(button) {
    const dialog = document.getElementById(button.dataset.open);
    const form = dialog.querySelector("form");
    form.reset();
    say(form, "data-problem", "");
    say(form, "data-answer", "");
    form.querySelector("[data-send]").hidden = false;
    dialog.showModal();
    form.querySelector("input:not([type=hidden]), select, textarea")?.focus();
  }

  // A field with `data-list` holds several values; empty fields are not sent unless they have
  // `data-empty`, and `data-local` is a time in the zone of the browser.
  function bodyOf(form) {
    const body = {};
    for (const field of form.elements) {
      if (!field.name || field.disabled || (field.type === "checkbox" && !field.checked && !("list" in field.dataset))) continue;
      if ("list" in field.dataset) {
        body[field.name] ??= [];
        if (field.type === "checkbox") {
          if (field.checked) body[field.name].push(field.value);
        } else {
          body[field.name].push(...field.value.split(/[,，\n]/).map((one) => one.trim()).filter(Boolean));
        }
      } else if ("number" in field.dataset) {
        body[field.name] = Number(field.value);
      } else if ("flag" in field.dataset) {
        body[field.name] = field.value === "true";
      } else if ("local" in field.dataset) {
        if (field.value) body[field.name] = new Date(field.value).toISOString();
      } else if (field.value.trim()) {
        body[field.name] = field.type === "password" ? field.value : field.value.trim();
        const { revisionAs } = field.dataset;
        if (revisionAs) body[revisionAs] = Number(field.selectedOptions[0].dataset.revision);
      }
    }
    return body;
  }

  // A form may have words of its own for a status; of some the API's sentence says what to do.
  function refusal(form, answer) {
    const own = form.dataset[`error${answer.status}`];
    if (own || !OWN_WORDS.includes(answer.status) || !answer.data.detail) return [own || words(answer), ""];
    return [texts.refused, answer.data.detail];
  }

  // What an answer holds that the page never shows again, or that came of a trial.
  function answerOf(form, answer) {
    const { secret, yes, no, count, done } = form.dataset;
    if (secret && answer.secret) return secret.replace("{secret}", answer.secret);
    if (yes && answer.accepted) return yes;
    if (no && answer.accepted === false) return no.replace("{reason}", answer.reason);
    if (count && answer.revived != null) return count.replace("{count}", answer.revived);
    return done;
  }

  // A field with `data-same` repeats the field of that name, and is not sent.
  const isRepeated = (form) =>
    Array.from(form.querySelectorAll("input[data-same]")).every((one) => one.value === form.elements[one.dataset.same].value);

  async function send(form) {
    const button = form.querySelector("[data-send]");
    say(form, "data-problem", "");
    if (!isRepeated(form)) return say(form, "data-problem", form.dataset.same);
    button.disabled = true;
    const body = form.dataset.order === "DELETE" ? null : bodyOf(form);
    const answer = await ask(form.dataset.order, form.getAttribute("action"), body);
    button.disabled = false;
    if (!isDone(answer)) return refused(form, answer);
    const said = answerOf(form, answer.data);
    if (said) {
      say(form, "data-answer", said);
      button.hidden = true;
    } else {
      form.closest("dialog").close();
    }
    emitEvent("cy-refresh");
  }

  function refused(form, answer) {
    const [sentence, detail] = refusal(form, answer);
    const place = say(form, "data-problem", sentence + (detail ? " " : ""));
    const own = document.createElement("span");
    own.lang = "en";
    own.textContent = detail;
    place.append(own);
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) open(opener);
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  });

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-order]")) return;
    event.preventDefault();
    send(event.target);
  });

  // What was shown once does not stay in the page.
  document.addEventListener(
    "close",
    ({ target }) => {
      const form = target.querySelector?.("form[data-order]");
      if (form) {
        form.reset();
        say(form, "data-answer", "");
      }
    },
    true,
  );
})();
