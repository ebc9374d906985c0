// What is drawn on the image of a camera: zones, lines, masks and ways, with mouse, touch or keyboard.
// Everything that a drag does is done by clicks and by keys too. This part knows nothing of the API;
// `camera_changes.js` loads and saves what is drawn here.
(() => {
  "use strict";
  const LEAST = { zones: 3, masks: 3, lines: 2, way: 2 };
  const FINE = 0.002;
  const COARSE = 0.02;
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const byId = (id) => document.getElementById(id);
  const clamp = (share) => Math.round(Math.min(1, Math.max(0, share)) * 1e5) / 1e5;
  const copy = (value) => JSON.parse(JSON.stringify(value));
  const { texts, fill, element, drawOne, drawingSize } = window.cityeye;

  let shapes = [];
  let tasks = {}; // rules by task
  let schedules = {}; // lines of text by task
  let chosen = -1;
  let point = -1; // of the chosen shape; those of its way follow its own
  let drawing = null; // {kind, points, before}
  let cross = [0.5, 0.5];
  let steps = [];
  let changed = () => {};

  const mayChange = () => "mayChange" in byId("cy-editor").dataset;
  const shape = () => shapes[chosen];
  const handles = (one) => (one ? [...one.points, ...(one.way ?? [])] : []);

  function step() {
    steps.push(copy({ shapes, schedules }));
    if (steps.length > 200) steps.shift();
  }

  function edited(one) {
    if (one) one.problem = "";
    render();
    changed();
  }

  function set(one, at, [x, y]) {
    const to = [clamp(x), clamp(y)];
    if (at < one.points.length) one.points[at] = to;
    else one.way[at - one.points.length] = to;
  }

  // Drawing something new.
  function begin(kind) {
    drawing = { kind, points: [] };
    if (kind !== "way") chosen = -1;
    point = -1;
    render();
    byId("cy-canvas").focus();
  }

  function freeName(kind) {
    const names = new Set(shapes.map((one) => one.name));
    let number = 1;
    while (names.has(`${texts[kind]}-${number}`)) number += 1;
    return `${texts[kind]}-${number}`;
  }

  function finish() {
    const { kind, points } = drawing;
    if (points.length < LEAST[kind]) return;
    drawing = null;
    step();
    if (kind === "way") {
      shape().way = points;
    } else {
      const all = Object.keys(tasks);
      const watchers = kind !== "masks" && all.length === 1 ? all : [];
      shapes.push({ kind, name: freeName(kind), points, way: null, watchers, problem: "" });
      chosen = shapes.length - 1;
    }
    edited(shape());
    document.querySelector("#cy-shape [name=name]").focus();
  }

  function cancel() {
    drawing = null;
    render();
    byId("cy-new").firstElementChild.focus();
  }

  function put(at) {
    drawing.points.push(at.map(clamp));
    if (drawing.points.length === 2 && LEAST[drawing.kind] === 2) finish();
    else render();
  }

  // Points of what is chosen.
  function addAfter(at) {
    const own = shape().points;
    if (shape().kind === "lines" || at >= own.length) return;
    step();
    const [a, b] = [own[at], own[(at + 1) % own.length]];
    own.splice(at + 1, 0, [clamp((a[0] + b[0]) / 2), clamp((a[1] + b[1]) / 2)]);
    point = at + 1;
    edited(shape());
    focusPoint();
  }

  function removePoint(at) {
    const own = shape().points;
    if (at >= own.length || own.length <= LEAST[shape().kind]) return;
    step();
    own.splice(at, 1);
    point = Math.min(at, own.length - 1);
    edited(shape());
    focusPoint();
  }

  function focusPoint() {
    byId("cy-points").children[point]?.focus();
  }

  function placeOf(event) {
    const box = byId("cy-canvas").getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  function isInside([x, y], points) {
    let inside = false;
    points.forEach(([ax, ay], at) => {
      const [bx, by] = points[(at + 1) % points.length];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    });
    return inside;
  }

  function clicked(event) {
    const at = placeOf(event);
    if (drawing) return put(at);
    if (point >= 0 && shape()) {
      step();
      set(shape(), point, at);
      return edited(shape());
    }
    choose(shapes.findIndex((one) => one.kind !== "lines" && isInside(at, one.points)));
  }

  function keyed(event) {
    const by = ARROWS[event.key];
    if (!drawing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (by) {
      const size = event.shiftKey ? FINE : COARSE;
      cross = cross.map((share, axis) => clamp(share + by[axis] * size));
      render();
    } else if (event.key === "Enter" || event.key === " ") put(cross);
    else if (event.key === "Backspace") {
      drawing.points.pop();
      render();
    } else if (event.key === "Escape") cancel();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function pointKeyed(event, at) {
    const by = ARROWS[event.key];
    if (by && mayChange()) {
      step();
      const [x, y] = handles(shape())[at];
      const size = event.shiftKey ? FINE : COARSE / 2;
      set(shape(), at, [x + by[0] * size, y + by[1] * size]);
      point = at;
      edited(shape());
    } else if (event.key === "Delete" || event.key === "Backspace") removePoint(at);
    else if (event.key === "Insert" || event.key === "+") addAfter(at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function drag(event, at) {
    if (drawing || !mayChange()) return;
    const handle = event.currentTarget;
    handle.setPointerCapture(event.pointerId);
    let moved = false;
    handle.onpointermove = (move) => {
      if (!moved && Math.hypot(move.clientX - event.clientX, move.clientY - event.clientY) < 4) return;
      if (!moved) step();
      moved = true;
      set(shape(), at, placeOf(move));
      edited(shape());
    };
    handle.onpointerup = handle.onpointercancel = () => {
      handle.onpointermove = handle.onpointerup = handle.onpointercancel = null;
    };
  }

  function choose(at) {
    chosen = at;
    point = -1;
    render();
  }

  // What is seen of it.
  function drawImage() {
    const image = byId("cy-drawn");
    image.setAttribute("viewBox", `0 0 ${drawingSize().join(" ")}`);
    image.replaceChildren();
    if (byId("cy-show-places").checked) shapes.forEach((one, at) => drawOne(one, at === chosen));
    if (drawing) drawOne(drawing, true);
    const canvas = byId("cy-canvas");
    canvas.hidden = !mayChange();
    canvas.tabIndex = drawing ? 0 : -1;
    const sight = byId("cy-cross");
    sight.hidden = !drawing;
    [sight.style.left, sight.style.top] = cross.map((share) => `${share * 100}%`);
  }

  const percent = (share) => String(Math.round(share * 1000) / 10);

  function drawPoints() {
    const own = drawing || !mayChange() ? [] : handles(shape());
    const box = byId("cy-points");
    while (box.children.length > own.length) box.lastElementChild.remove();
    while (box.children.length < own.length) box.append(pointButton(box.children.length));
    own.forEach(([x, y], at) => {
      const button = box.children[at];
      [button.style.left, button.style.top] = [`${x * 100}%`, `${y * 100}%`];
      button.setAttribute("aria-pressed", String(at === point));
      button.classList.toggle("cy-way", at >= shape().points.length);
      const said = { number: at + 1, total: own.length, name: shape().name };
      button.ariaLabel = fill(texts.pointOf, { ...said, x: percent(x), y: percent(y) });
    });
  }

  function pointButton(at) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "cy-point";
    button.onclick = () => {
      point = at;
      render();
    };
    button.onkeydown = (event) => pointKeyed(event, at);
    button.onpointerdown = (event) => drag(event, at);
    return button;
  }

  function watchedBy(one) {
    if (one.kind === "masks") return texts.masksAll;
    if (!one.watchers.length) return texts.unwatched;
    return one.watchers.map((task) => texts.tasks[task] ?? task).join(", ");
  }

  function drawList() {
    const rows = shapes.map((one, at) => {
      const mark = element("i", { className: `cy-${one.kind}` });
      const what = element("small", {}, `${texts[one.kind]} · ${watchedBy(one)}`);
      const button = element("button", { type: "button", className: "cy-button" }, mark, one.name, what);
      button.setAttribute("aria-pressed", String(at === chosen));
      button.dataset.key = `shape-${at}`;
      button.onclick = () => choose(at === chosen ? -1 : at);
      const row = element("li", {}, button);
      if (one.problem) row.append(element("p", { className: "cy-problem", textContent: one.problem }));
      return row;
    });
    for (const task of Object.keys(tasks)) {
      if (shapes.some((one) => one.kind === "zones" && one.watchers.includes(task))) continue;
      const said = fill(texts.wholeImage, { task: texts.tasks[task] ?? task });
      rows.push(element("li", { className: "cy-soft", textContent: said }));
    }
    byId("cy-shapes").replaceChildren(...rows);
  }

  function drawForm() {
    const form = byId("cy-shape");
    if (!form) return;
    const one = drawing ? undefined : shape();
    form.hidden = !one;
    byId("cy-drawing-help").hidden = byId("cy-drawing").hidden = !drawing;
    byId("cy-drawn-done").disabled = Boolean(drawing) && drawing.points.length < LEAST[drawing.kind];
    byId("cy-new").hidden = Boolean(drawing);
    if (!one) return;
    if (form.elements.name.value !== one.name) form.elements.name.value = one.name;
    for (const part of form.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== one.kind;
    byId("cy-no-way").hidden = !one.way;
    byId("cy-watchers").hidden = one.kind === "masks";
    drawWatchers(one);
    drawPointRows(one);
  }

  function drawWatchers(one) {
    const box = byId("cy-watchers");
    const rows = Object.entries(tasks).map(([task, rules]) => {
      const tick = element("input", { type: "checkbox", checked: one.watchers.includes(task), value: task });
      tick.onchange = () => {
        step();
        one.watchers = one.watchers.filter((other) => other !== task);
        if (tick.checked) one.watchers.push(task);
        edited(one);
        box.querySelector(`[value="${CSS.escape(task)}"]`)?.focus();
      };
      const named = rules.map((rule) => texts.kinds[rule] ?? rule).join(", ");
      const small = element("span", { className: "cy-soft", textContent: named });
      return element("label", { className: "cy-check" }, tick, ` ${texts.tasks[task] ?? task} `, small);
    });
    box.replaceChildren(box.firstElementChild, ...rows);
  }

  function drawPointRows(one) {
    const body = byId("cy-point-rows");
    const own = handles(one);
    if (body.rows.length !== own.length || body.dataset.of !== String(chosen)) {
      body.replaceChildren(...own.map((_, at) => pointRow(at, at >= one.points.length)));
      body.dataset.of = String(chosen);
    }
    own.forEach((place, at) => {
      body.rows[at].querySelectorAll("input").forEach((input, axis) => {
        if (input !== document.activeElement) input.value = percent(place[axis]);
      });
    });
  }

  function pointRow(at, isWay) {
    const label = isWay ? texts.wayPoint : String(at + 1);
    const cells = [0, 1].map((axis) => {
      const input = element("input", { type: "number", min: 0, max: 100, step: 0.1 });
      input.ariaLabel = fill(axis ? texts.pointY : texts.pointX, { number: label });
      input.onchange = () => {
        const to = [...handles(shape())[at]];
        if (input.value === "") return render();
        to[axis] = Number(input.value) / 100;
        step();
        set(shape(), at, to);
        edited(shape());
      };
      return element("td", {}, input);
    });
    const button = (text, name, deed) => {
      const made = element("button", { type: "button", className: "cy-button", textContent: text, onclick: deed });
      made.ariaLabel = fill(name, { number: label });
      return made;
    };
    const more = element("td", {});
    if (!isWay && shape().kind !== "lines") {
      more.append(button("+", texts.pointAdd, () => addAfter(at)), " ");
      more.append(button("−", texts.pointRemove, () => removePoint(at)));
    }
    return element("tr", {}, element("td", { textContent: label }), ...cells, more);
  }

  function drawSchedules() {
    const box = byId("cy-schedule-rows");
    if (!box || box.childElementCount) return;
    for (const task of Object.keys(tasks)) {
      const field = element("textarea", { rows: 2, name: task, value: schedules[task] });
      field.onfocus = () => step();
      field.oninput = () => {
        schedules[task] = field.value;
        changed();
      };
      const problem = element("p", { className: "cy-problem", id: `cy-schedule-${task}` });
      box.append(element("label", {}, texts.tasks[task] ?? task, field), problem);
    }
  }

  function render() {
    if (!byId("cy-editor") || !byId("cy-stage")) return;
    drawImage();
    drawPoints();
    drawList();
    drawForm();
    drawSchedules();
  }

  function wire() {
    const canvas = byId("cy-canvas");
    canvas.addEventListener("click", clicked);
    canvas.addEventListener("keydown", keyed);
    byId("cy-show-places").addEventListener("change", render);
    new ResizeObserver(drawImage).observe(byId("cy-stage"));
    if (!mayChange()) return;
    for (const button of document.querySelectorAll("[data-new]")) {
      button.onclick = () => begin(button.dataset.new);
    }
    byId("cy-drawn-done").onclick = finish;
    byId("cy-drawn-cancel").onclick = cancel;
    const name = byId("cy-shape").elements.name;
    name.onfocus = () => step();
    name.oninput = () => {
      shape().name = name.value.trim();
      edited(shape());
    };
    byId("cy-shape").onsubmit = (event) => event.preventDefault();
    byId("cy-way").onclick = () => begin("way");
    const change = (deed) => () => {
      step();
      deed(shape());
      edited(shape());
    };
    byId("cy-no-way").onclick = change((one) => (one.way = null));
    byId("cy-swap").onclick = change((one) => one.points.reverse());
    byId("cy-remove").onclick = change((one) => {
      shapes.splice(shapes.indexOf(one), 1);
      chosen = point = -1;
    });
    byId("cy-back").onclick = () => {
      ({ shapes, schedules } = steps.pop());
      drawing = null;
      if (chosen >= shapes.length) chosen = -1;
      point = -1;
      byId("cy-schedule-rows").replaceChildren();
      render();
      changed();
    };
  }

  const named = (kind, value) =>
    Object.fromEntries(shapes.filter((one) => one.kind === kind && value(one)).map((one) => [one.name, value(one)]));

  function namesOf(kind, task) {
    const names = shapes.filter((one) => one.kind === kind && one.watchers.includes(task));
    return names.length ? names.map((one) => one.name) : null;
  }

  const byTask = (value) => Object.fromEntries(Object.keys(tasks).map((task) => [task, value(task)]));

  function spans(task) {
    const lines = schedules[task].split("\n").map((line) => line.trim());
    const said = lines.filter(Boolean);
    return said.length ? said : null;
  }

  window.cityeye.editor = {
    wire,
    render,
    steps: () => steps.length,
    shapes: () => shapes,
    onChange: (call) => (changed = call),
    // Takes what the API says of the camera.
    load(given) {
      const places = copy(given);
      const kept = shape();
      tasks = places.task_rules;
      schedules = Object.fromEntries(
        Object.entries(places.schedules).map(([task, lines]) => [task, (lines ?? []).join("\n")]),
      );
      const watchers = (lists, name) => Object.keys(lists).filter((task) => lists[task]?.includes(name));
      const of = (kind, lists) =>
        Object.entries(places[kind]).map(([name, points]) => ({
          kind, name, points, way: (kind === "zones" && places.directions[name]) || null,
          watchers: watchers(lists, name), problem: "",
        }));
      shapes = [...of("zones", places.task_zones), ...of("lines", places.task_lines), ...of("masks", {})];
      steps = [];
      drawing = null;
      chosen = shapes.findIndex((one) => one.kind === kept?.kind && one.name === kept?.name);
      point = -1;
      byId("cy-schedule-rows")?.replaceChildren();
      render();
    },
    // What is drawn, as the API takes it.
    drawn: () => copy({
      drawn: {
        zones: named("zones", (one) => one.points),
        lines: named("lines", (one) => one.points),
        masks: named("masks", (one) => one.points),
        directions: named("zones", (one) => one.way),
      },
      watched: { zones: byTask((task) => namesOf("zones", task)), lines: byTask((task) => namesOf("lines", task)) },
      schedules: byTask(spans),
    }),
  };
})();
