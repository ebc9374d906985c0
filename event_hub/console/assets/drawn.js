// How a zone, line, mask or direction is drawn over the image: outlines, arrows and names, as SVG.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);

  function svg(name, attributes, parent) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  }

  function drawingSize() {
    const ratio = Number(getComputedStyle(byId("cy-stage")).getPropertyValue("--ratio")) || 16 / 9;
    return [1000, 1000 / ratio];
  }

  function arrow([from, to], group) {
    const [w, h] = drawingSize();
    const [x1, y1, x2, y2] = [from[0] * w, from[1] * h, to[0] * w, to[1] * h];
    const angle = Math.atan2(y2 - y1, x2 - x1);
    const wing = (by) => `${x2 - 24 * Math.cos(angle + by)},${y2 - 24 * Math.sin(angle + by)}`;
    svg("polyline", { points: `${x1},${y1} ${x2},${y2}` }, group);
    svg("polyline", { points: `${wing(0.5)} ${x2},${y2} ${wing(-0.5)}` }, group);
  }

  // Traffic crosses a line from its left to its right.
  function crossing([a, b], group) {
    const [w, h] = drawingSize();
    const [dx, dy] = [(b[0] - a[0]) * w, (b[1] - a[1]) * h];
    const length = Math.hypot(dx, dy) || 1;
    const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const to = [middle[0] - ((dy / length) * 60) / w, middle[1] + ((dx / length) * 60) / h];
    arrow([middle, to], group);
  }

  function drawOne({ kind, name, points, way, problem }, isChosen) {
    const [w, h] = drawingSize();
    const classes = `cy-${kind}${isChosen ? " cy-chosen" : ""}${problem ? " cy-wrong" : ""}`;
    const group = svg("g", { class: classes }, byId("cy-drawn"));
    const list = points.map(([x, y]) => `${x * w},${y * h}`).join(" ");
    svg(kind === "lines" || kind === "way" ? "polyline" : "polygon", { points: list }, group);
    if (kind === "lines" && points.length === 2) crossing(points, group);
    if (way) arrow(way, group);
    if (!name || !points.length) return;
    const top = points.reduce((one, other) => (other[1] < one[1] ? other : one));
    const x = Math.min(Math.max(top[0] * w, 10), w - 150);
    svg("text", { x, y: Math.max(top[1] * h - 10, 28) }, group).textContent = name;
  }

  Object.assign(window.cityeye, { drawOne, drawingSize });
})();
