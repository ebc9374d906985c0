// How the camera of the page is reached: name, address and login, tried before they are saved. The
// password is never in the page; it stays where none is given, for the host that it was given for.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const { texts, ask, isDone, why, trialShown, fieldProblems } = window.cityeye;
  const api = () => `${byId("cy-editor").dataset.api}/connection`;
  const form = () => byId("cy-connection-form");
  const WRITTEN = ["name", "source", "inference_source", "username"];
  let known = null; // as the API gave it
  let tested = "";

  function given() {
    const { password, transport, verify_tls: verified } = form().elements;
    const written = Object.fromEntries(WRITTEN.map((key) => [key, form().elements[key].value.trim()]));
    const rest = { transport: transport.value, verify_tls: verified.checked };
    return { ...written, ...rest, ...(password.value ? { password: password.value } : {}) };
  }

  function opening() {
    const { name: _, ...wanted } = given();
    return wanted;
  }

  function problem(text) {
    byId("cy-connection-problem").textContent = text;
  }

  function clear() {
    problem("");
    for (const field of form().elements) field.removeAttribute("aria-invalid");
  }

  function busy(isBusy) {
    byId("cy-connection-test").disabled = byId("cy-connection-save").disabled = isBusy;
  }

  const isSame = () => known && ["source", "inference_source", "username", "transport", "verify_tls"].every((key) => opening()[key] === known[key]);

  function follow() {
    const isTested = tested === JSON.stringify(opening()) || (isSame() && !form().elements.password.value);
    byId("cy-connection-tested").textContent = isTested ? "" : texts.untested;
    if (tested !== JSON.stringify(opening())) byId("cy-connection-result").replaceChildren();
  }

  async function load() {
    known = null;
    byId("cy-connection-said").textContent = ""; // of the change before
    form().reset();
    busy(true);
    clear();
    const answer = await ask("GET", api());
    if (!isDone(answer)) return problem(why(answer));
    known = answer.data;
    for (const name of [...WRITTEN, "transport"]) form().elements[name].value = known[name];
    form().elements.verify_tls.checked = known.verify_tls;
    byId("cy-connection-kept").hidden = !known.has_password;
    byId("cy-connection-hidden").hidden = Boolean(known.source);
    busy(false);
    follow();
  }

  const isMissing = () => !given().source && Boolean(known.source);

  async function test() {
    clear();
    if (isMissing()) return problem(texts.sourceMissing);
    const reason = form().elements.reason.value.trim();
    if (reason && reason.length < 8) return problem(texts.reasonTooShort);
    const wanted = opening();
    busy(true);
    byId("cy-connection-tested").textContent = texts.testing;
    const answer = await ask("POST", `${api()}/test`, reason ? { ...wanted, reason } : wanted);
    busy(false);
    if (isDone(answer)) tested = JSON.stringify(wanted);
    follow();
    if (isDone(answer)) trialShown(byId("cy-connection-result"), answer.data);
    else problem(fieldProblems(form(), answer));
  }

  async function save() {
    clear();
    if (isMissing()) return problem(texts.sourceMissing);
    busy(true);
    const answer = await ask("PUT", api(), { revision: known.revision, ...given() });
    busy(false);
    if (!isDone(answer)) return problem(fieldProblems(form(), answer));
    const { result, lines } = answer.data;
    byId("cy-connection").close();
    byId("cy-connection-said").textContent =
      result === "done" ? texts.connectionSaved : [texts.notTaken, ...lines].join(" ");
  }

  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-ask=cy-connection]")) load();
    if (target.closest("#cy-connection-test")) test();
    if (target.closest("#cy-connection-save")) save();
  });
  document.addEventListener("input", ({ target }) => {
    if (known && target.closest("#cy-connection-form")) follow();
  });
  // A password and an image that was shown for a reason do not stay in the page.
  document.addEventListener(
    "close",
    ({ target }) => {
      if (target.id !== "cy-connection") return;
      form().reset();
      tested = "";
      byId("cy-connection-result").replaceChildren();
    },
    true,
  );
})();
