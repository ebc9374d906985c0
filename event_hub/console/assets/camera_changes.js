// Loads and saves what is drawn on a camera, and says whether it is in force: that is so where the
// worker of the camera says of its newest frame that its rules watch just this, and never before.
(() => {
  "use strict";
  const CHECK_MS = 2000;
  const byId = (id) => document.getElementById(id);
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const { texts, editor, ask, isDone, sentence, why } = window.cityeye;

  let places = null; // as the API gave them last
  let base = null; // the same, as the editor would save it
  let savedAt = 0; // frames from before the last save prove nothing
  let removedMasks = [];
  let unsaved = false;
  let trouble = ""; // why what is saved was not taken
  let busy = false;

  const api = () => byId("cy-editor").dataset.api;
  const config = (what) => `/api/config/${byId("cy-editor").dataset.city}/${what}`;

  function say(state, text) {
    const line = byId("cy-force");
    if (line.dataset.force !== state) line.dataset.force = state;
    if (line.textContent !== text) line.textContent = text;
  }

  // Whether what the worker has of the newest frame is what the API has in the file.
  const near = (a, b) =>
    a?.length === b?.length && a.every((one, at) => one.every((share, axis) => Math.abs(share - b[at][axis]) < 2e-5));

  function watches(frame, task) {
    if (!places.task_rules[task].length) return true;
    const names = [...(places.task_zones[task] ?? [texts.wholeZone]), ...(places.task_lines[task] ?? [])];
    return (
      same([...names].sort(), [...(frame.tasks[task] ?? [])].sort()) &&
      names.every((name) => {
        const points = places.zones[name] ?? places.lines[name];
        const isDirected = near(places.directions[name] ?? [], frame.directions[name] ?? []);
        return name === texts.wholeZone || (near(points, frame.zones[name]) && isDirected);
      })
    );
  }

  function agrees(frame) {
    const tasks = Object.keys(places.task_rules);
    return (
      same([...tasks].sort(), Object.keys(frame.tasks).sort()) &&
      tasks.every((task) => watches(frame, task)) &&
      Object.entries(places.masks).every(([name, points]) => near(points, frame.masks[name])) &&
      removedMasks.every((name) => !(name in frame.masks))
    );
  }

  async function check() {
    if (!places || busy || document.hidden || !byId("cy-editor")) return;
    if (unsaved) return say("unsaved", texts.unsaved);
    if (trouble) return say("no", trouble);
    const given = places;
    const { status, data } = await ask("GET", `${api()}/frame`);
    if (given !== places || busy || unsaved) return;
    if (status !== 200) return say("unknown", status === 503 ? texts.forceUnknown : why({ status, data }));
    if (Date.parse(data.at) >= savedAt && agrees(data)) return say("yes", texts.inForce);
    say("no", texts.notInForce);
    // Perhaps somebody else has drawn meanwhile, and what stands here is what was.
    const answer = await ask("GET", `${api()}/places`);
    if (given !== places || busy || unsaved || answer.status !== 200) return;
    if (!same(answer.data, places)) take(answer.data);
  }

  async function load() {
    const answer = await ask("GET", `${api()}/places`);
    if (answer.status !== 200) {
      say("unknown", why(answer));
      return false;
    }
    take(answer.data);
    return true;
  }

  function take(data) {
    places = data;
    editor.load(data);
    base = editor.drawn();
    trouble = "";
    follow();
  }

  function follow() {
    unsaved = !same(base, editor.drawn());
    const save = byId("cy-save");
    if (!save) return;
    save.disabled = !unsaved;
    byId("cy-discard").disabled = !unsaved;
    byId("cy-back").disabled = !editor.steps();
    if (unsaved) say("unsaved", texts.unsaved);
  }

  const differing = (now, before) =>
    Object.fromEntries(Object.entries(now).filter(([name, value]) => !same(value, before[name])));

  function changes() {
    const now = editor.drawn();
    const watched = Object.entries(now.watched).map(([kind, tasks]) => [kind, differing(tasks, base.watched[kind])]);
    return {
      revision: places.revision,
      drawn: differing(now.drawn, base.drawn),
      watched: Object.fromEntries(watched.filter(([, tasks]) => Object.keys(tasks).length)),
      schedules: differing(now.schedules, base.schedules),
    };
  }

  // Two of one name would become one, and no name is no name.
  function misnamed() {
    const names = editor.shapes().map((one) => one.name);
    const before = (one, at) => names.indexOf(one.name) !== at;
    editor.shapes().forEach((one, at) => {
      one.problem = !one.name ? texts.nameMissing : before(one, at) ? texts.nameTwice : "";
    });
    editor.render();
    return editor.shapes().some((one) => one.problem);
  }

  async function save() {
    if (misnamed() || busy) return;
    busy = true;
    problem("");
    say("unsaved", texts.saving);
    const wanted = changes();
    let answer = await ask("PUT", `${api()}/places`, wanted);
    if (answer.status === 409) answer = await again(wanted, answer);
    busy = false;
    if (isDone(answer)) return saved(answer);
    refused(answer);
  }

  // The configuration is one file: often somebody has changed another camera, which is no conflict.
  async function again(wanted, answer) {
    const { status, data } = await ask("GET", `${api()}/places`);
    if (status !== 200 || data.revision === wanted.revision) return answer;
    const { revision: _, ...now } = data;
    const { revision: __, ...known } = places;
    if (same(now, known)) return ask("PUT", `${api()}/places`, { ...wanted, revision: data.revision });
    byId("cy-conflict").hidden = false;
    byId("cy-keep").onclick = () => {
      byId("cy-conflict").hidden = true;
      places.revision = data.revision;
      save();
    };
    byId("cy-theirs").onclick = () => {
      byId("cy-conflict").hidden = true;
      problem("");
      take(data);
    };
    return { ...answer, data: { detail: "" }, status: 409 };
  }

  async function saved({ data, at }) {
    const masks = Object.keys(places.masks);
    savedAt = at;
    say("no", texts.notInForce);
    if (!(await load())) return;
    removedMasks = masks.filter((name) => !(name in places.masks));
    if (data.result !== "done") trouble = [texts.notTaken, ...data.lines].join(" ");
    check();
  }

  function problem(text) {
    byId("cy-editor-problem").textContent = text;
  }

  // Each problem stands at the shape, or the schedule, that it is about.
  function refused(answer) {
    follow();
    say("unsaved", texts.unsaved);
    const left = (answer.data.problems ?? []).filter((one) => !placed(one));
    if (!answer.data.problems?.length || left.length) {
      const said = left.map((one) => `${one.key}: ${sentence(one)}`).join(" ");
      problem(said ? `${texts.error422} ${said}` : why(answer));
    } else problem(texts.refusedAtShapes);
    editor.render();
  }

  function placed(one) {
    const key = one.key.replace(/^cameras\[\d+\]\./, "");
    const schedule = /^tasks\.([^.]+)\.schedule/.exec(key);
    const field = schedule && byId(`cy-schedule-${schedule[1]}`);
    if (field) {
      field.textContent = sentence(one);
      byId("cy-schedules").open = true;
      return true;
    }
    const found = editor.shapes().find(({ kind, name }) => {
      const kinds = kind === "zones" ? ["zones", "directions"] : [kind];
      return kinds.some((own) => key === `${own}.${name}` || key.startsWith(`${own}.${name}[`));
    });
    if (found) found.problem = sentence(one);
    return Boolean(found);
  }

  // The last saved change of the whole city, whoever made it: it is shown before it is taken back.
  async function askUndo() {
    const answer = await ask("GET", config("versions"));
    if (answer.status !== 200) return problem(why(answer));
    const newest = answer.data.versions.find((one) => !one.undone_at);
    if (!newest) return problem(texts.nothingToUndo);
    const at = new Date(newest.at).toLocaleString(document.documentElement.lang);
    const what = `${newest.what.join("; ")} — ${newest.who}, ${at}`;
    byId("cy-taking-back-what").textContent = what;
    byId("cy-taking-back-problem").textContent = "";
    byId("cy-taking-back").showModal();
    byId("cy-taking-back-do").onclick = () => undo(answer.data.revision);
  }

  async function undo(revision) {
    const answer = await ask("POST", config("undo"), { revision });
    if (!isDone(answer)) {
      byId("cy-taking-back-problem").textContent = why(answer);
      return;
    }
    byId("cy-taking-back").close();
    problem("");
    saved(answer);
  }

  async function remove() {
    const answer = await ask("DELETE", api());
    if (isDone(answer)) {
      unsaved = false;
      location.assign("/cameras");
    } else byId("cy-removal-problem").textContent = why(answer);
  }

  function wire() {
    editor.wire();
    editor.onChange(follow);
    if (!byId("cy-save")) return;
    byId("cy-save").onclick = save;
    byId("cy-discard").onclick = () => take(places);
    byId("cy-removal-do").onclick = remove;
    if (byId("cy-undo")) byId("cy-undo").onclick = askUndo;
  }

  addEventListener("beforeunload", (event) => {
    if (unsaved) event.preventDefault();
  });
  const waiting = setInterval(() => {
    if (!byId("cy-editor") || !byId("cy-stage")) return;
    clearInterval(waiting);
    wire();
    load().then(check);
    setInterval(check, CHECK_MS);
  }, 50);
})();
