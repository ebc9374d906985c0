// Writes times in the viewer's zone, counts durations, and opens pictures. Data arrives as text and
// attributes only; nothing here turns data into markup.
(() => {
  "use strict";
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const serverNow = Number(document.querySelector("meta[name=cityeye-now]").content);
  // The viewer's clock may be wrong; incidents are dated by the servers'.
  const skew = Math.abs(serverNow - Date.now()) > 2000 ? serverNow - Date.now() : 0;
  const two = (n) => String(n).padStart(2, "0");

  function offset(date) {
    const minutes = -date.getTimezoneOffset();
    const size = Math.abs(minutes);
    const rest = size % 60 ? ":" + two(size % 60) : "";
    return "UTC" + (minutes < 0 ? "−" : "+") + Math.floor(size / 60) + rest;
  }

  function clock(date, withSeconds) {
    const time = two(date.getHours()) + ":" + two(date.getMinutes());
    const text = withSeconds ? time + ":" + two(date.getSeconds()) : time;
    if (date.toDateString() === new Date().toDateString()) return text;
    const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    return day + " " + text;
  }

  function duration(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s >= 86400) return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
    const m = Math.floor((s % 3600) / 60);
    if (s >= 3600) return Math.floor(s / 3600) + ":" + two(m) + ":" + two(s % 60);
    return m + ":" + two(s % 60);
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function tell() {
    const now = new Date(Date.now() + skew);
    for (const e of document.querySelectorAll("[data-clock]")) {
      const date = new Date(e.dateTime);
      write(e, clock(date, e.dataset.clock === "seconds"));
      e.title = date.toLocaleString("en-GB") + " " + offset(date);
    }
    for (const e of document.querySelectorAll("[data-since]")) {
      write(e, duration(now - new Date(e.dataset.since)));
    }
    for (const e of document.querySelectorAll("[data-zone]")) {
      write(e, zone + " (" + offset(now) + ")");
    }
  }

  // Without the hub the page is a memory, not the city: it says so and fades.
  let heard = Date.now();

  function watch() {
    if (window.socket?.connected) heard = Date.now();
    const lost = Date.now() - heard > 3000;
    document.documentElement.classList.toggle("cy-lost", lost);
    const since = document.getElementById("cy-lost-since");
    if (lost && since) write(since, clock(new Date(heard), true));
  }

  const viewer = () => document.getElementById("cy-viewer");
  const templates = () => Array.from(document.querySelectorAll("template[data-incident]"));
  let viewed = "";
  let viewedMarkup = "";

  function fill(template) {
    const close = document.createElement("button");
    close.className = "cy-close";
    close.textContent = "Close";
    close.addEventListener("click", () => viewer().close());
    viewer().replaceChildren(close, template.content.cloneNode(true));
    viewed = template.dataset.incident;
    viewedMarkup = template.innerHTML;
    tell();
  }

  function view(card) {
    fill(card.querySelector("template"));
    viewer().showModal();
  }

  // An incident that changes while it is looked at changes in the viewer too.
  function follow() {
    tell();
    if (!viewer()?.open) return;
    const template = templates().find((one) => one.dataset.incident === viewed);
    if (template && template.innerHTML !== viewedMarkup) fill(template);
  }

  document.addEventListener("click", (event) => {
    const shot = event.target.closest("[data-view]");
    if (shot) view(shot.closest("article"));
    else if (event.target.id === "cy-viewer") event.target.close();
  });

  // A picture that cannot be had leaves its place to the words behind it.
  document.addEventListener(
    "error",
    (event) => {
      if (event.target instanceof HTMLImageElement) event.target.classList.add("cy-missing");
    },
    true,
  );

  new MutationObserver(follow).observe(document.documentElement, { childList: true, subtree: true });
  setInterval(() => {
    tell();
    watch();
  }, 1000);
})();
