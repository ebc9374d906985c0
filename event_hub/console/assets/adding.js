// Adds cameras: one by one, tested before it is saved, or many from a spreadsheet.
(() => {
  "use strict";
  const WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
  const NUMBERS = ["lon", "lat"];
  const byId = (id) => document.getElementById(id);
  const { texts, fill, ask, isDone, why, element, trialShown, fieldProblems } = window.cityeye;
  const api = () => byId("cy-adding").dataset.api;
  let tested = ""; // the address and login that were tested last

  const fields = () => byId("cy-adding-form").elements;
  const given = (...names) =>
    Object.fromEntries(names.map((name) => [name, fields()[name].value.trim()]).filter(([, value]) => value));
  const opening = () => given("source", "inference_source", "username", "password", "transport");

  function section() {
    const place = given("lon", "lat", "division");
    for (const name of NUMBERS) if (name in place) place[name] = Number(place[name]);
    const chosen = Array.from(document.querySelectorAll("#cy-adding [name=task]:checked"), (one) => one.value);
    const fps = Number(fields().fps.value) || 5;
    const tasks = chosen.map((task) => [task, { model: fields().model.value.trim() || task, fps }]);
    const camera = { ...given("id", "name"), ...opening(), tasks: Object.fromEntries(tasks) };
    return Object.keys(place).length ? { ...camera, place } : camera;
  }

  function problem(text) {
    byId("cy-adding-problem").textContent = text;
  }

  function clear() {
    problem("");
    for (const field of fields()) field.removeAttribute("aria-invalid");
  }

  function busy(isBusy) {
    byId("cy-test").disabled = byId("cy-add").disabled = isBusy;
  }

  function follow() {
    const isTested = tested && tested === JSON.stringify(opening());
    byId("cy-tested").textContent = isTested ? "" : texts.untested;
    if (!isTested) byId("cy-adding-result").replaceChildren();
  }

  function refused(answer) {
    problem(fieldProblems(byId("cy-adding-form"), answer));
  }

  async function test() {
    clear();
    const wanted = opening();
    if (!wanted.source) return problem(texts.sourceMissing);
    const reason = fields().reason.value.trim();
    if (reason && reason.length < 8) return problem(texts.reasonTooShort);
    busy(true);
    byId("cy-tested").textContent = texts.testing;
    const answer = await ask("POST", `${api()}/test`, reason ? { ...wanted, reason } : wanted);
    busy(false);
    if (!isDone(answer)) {
      follow();
      return refused(answer);
    }
    tested = JSON.stringify(wanted);
    follow();
    trialShown(byId("cy-adding-result"), answer.data);
  }

  async function add() {
    clear();
    if (!fields().source.value.trim()) return problem(texts.sourceMissing);
    busy(true);
    const answer = await ask("POST", api(), { cameras: [section()] });
    busy(false);
    if (!isDone(answer)) return refused(answer);
    said(answer, byId("cy-adding"), 1);
  }

  // What the city has not taken is said; else the list shows the cameras as soon as they report.
  function said(answer, dialog, number) {
    dialog.close();
    const text = answer.data.result === "done" ? fill(texts.added, { number }) : texts.notTaken;
    const left = answer.data.result === "done" ? [] : answer.data.lines;
    byId("cy-added").textContent = [text, ...left].join(" ");
  }

  // Many at once.
  let file = null;

  function row({ row: number, camera, problems }) {
    const state = problems.length ? problems.join(" ") : texts.rowGood;
    const cells = [String(number), camera, state].map((text) => element("td", { textContent: text }));
    return element("tr", { className: problems.length ? "cy-wrong-row" : "" }, ...cells);
  }

  function report(answer) {
    const rows = answer.data.rows ?? [];
    byId("cy-import-rows").replaceChildren(...rows.map(row));
    byId("cy-import-table").hidden = !rows.length;
    const wrong = rows.filter((one) => one.problems.length).length;
    const counts = { number: rows.length, wrong };
    if (isDone(answer)) byId("cy-import-said").textContent = fill(texts.rowsGood, counts);
    else byId("cy-import-said").textContent = wrong ? fill(texts.rowsWrong, counts) : why(answer);
    byId("cy-import").disabled = !isDone(answer);
  }

  async function send(check) {
    const kind = /\.xlsx$/i.test(file.name) ? WORKBOOK : "text/csv";
    return ask("POST", `${api()}/import${check ? "?check=true" : ""}`, file, { kind });
  }

  async function chosen() {
    file = byId("cy-import-file").files[0] ?? null;
    byId("cy-import").disabled = true;
    byId("cy-import-rows").replaceChildren();
    byId("cy-import-table").hidden = true;
    byId("cy-import-said").textContent = file ? texts.checking : "";
    if (file) report(await send(true));
  }

  async function take() {
    byId("cy-import").disabled = true;
    const answer = await send(false);
    if (!isDone(answer)) return report(answer);
    said(answer, byId("cy-importing"), answer.data.rows.length);
  }

  function wire() {
    byId("cy-adding-form").addEventListener("input", follow);
    byId("cy-test").onclick = test;
    byId("cy-add").onclick = add;
    byId("cy-import-file").onchange = chosen;
    byId("cy-import").onclick = take;
    for (const dialog of [byId("cy-adding"), byId("cy-importing")]) {
      dialog.addEventListener("close", () => {
        // A password and an image that was shown for a reason do not stay in the page.
        for (const form of dialog.querySelectorAll("form")) form.reset();
        tested = "";
        clear();
        follow();
        chosen();
      });
    }
    follow();
  }

  const waiting = setInterval(() => {
    if (!byId("cy-adding")) return;
    clearInterval(waiting);
    wire();
  }, 100);
  setTimeout(() => clearInterval(waiting), 10000);
})();
