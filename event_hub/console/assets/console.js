// What a page does in the browser: writes times in the viewer's zone, counts durations, moves through
// the queue, and calls the API. Data arrives as text and attributes; nothing here makes markup of it.
// Every text comes from the server, in the language of the page.
(() => {
  "use strict";
  const root = document.documentElement;
  const { texts, ask, isDone, words } = window.cityeye;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const serverNow = Number(document.querySelector("meta[name=cityeye-now]").content);
  // The viewer's clock may be wrong; incidents are dated by the servers'.
  const skew = Math.abs(serverNow - Date.now()) > 2000 ? serverNow - Date.now() : 0;
  const byId = (id) => document.getElementById(id);
  const two = (n) => String(n).padStart(2, "0");

  function offset(date) {
    const minutes = -date.getTimezoneOffset();
    const size = Math.abs(minutes);
    const rest = size % 60 ? ":" + two(size % 60) : "";
    return "UTC" + (minutes < 0 ? "−" : "+") + Math.floor(size / 60) + rest;
  }

  // `minutes` and `seconds` name the day where it is not today; `hour` and `day` stand on axes.
  function clock(date, style) {
    const time = two(date.getHours()) + ":" + two(date.getMinutes());
    if (style === "hour") return time;
    const day = date.toLocaleDateString(root.lang, { day: "numeric", month: "short" });
    if (style === "day") return day;
    const text = style === "seconds" ? time + ":" + two(date.getSeconds()) : time;
    return date.toDateString() === new Date().toDateString() ? text : day + " " + text;
  }

  // As a field for a date and a time has it, in the zone of the browser.
  function local(date) {
    const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
    return `${day}T${two(date.getHours())}:${two(date.getMinutes())}`;
  }

  function duration(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s >= 86400) {
      const hours = String(Math.floor((s % 86400) / 3600));
      return texts.days.replace("%(days)s", String(Math.floor(s / 86400))).replace("%(hours)s", hours);
    }
    const m = Math.floor((s % 3600) / 60);
    if (s >= 3600) return Math.floor(s / 3600) + ":" + two(m) + ":" + two(s % 60);
    return m + ":" + two(s % 60);
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function tell() {
    const now = new Date(Date.now() + skew);
    for (const e of document.querySelectorAll("[data-clock][datetime]")) {
      const date = new Date(e.dateTime);
      write(e, clock(date, e.dataset.clock));
      const title = date.toLocaleString(root.lang) + " " + offset(date);
      if (e.title !== title) e.title = title;
    }
    for (const e of document.querySelectorAll("[data-moment]")) {
      // What somebody is choosing there stays until the page asks for something else.
      if (e.dataset.filled === e.dataset.moment) continue;
      e.dataset.filled = e.dataset.moment;
      e.value = e.dataset.moment ? local(new Date(e.dataset.moment)) : "";
    }
    for (const e of document.querySelectorAll("[data-since]")) {
      write(e, duration(now - new Date(e.dataset.since)));
    }
    for (const e of document.querySelectorAll("[data-zone]")) {
      write(e, e.dataset.zone.replace("{zone}", zone + " (" + offset(now) + ")"));
    }
  }

  // Without the hub the page is a memory, not the city: it says so and fades.
  let heard = Date.now();

  function watch() {
    if (window.socket?.connected) heard = Date.now();
    const lost = Date.now() - heard > 3000;
    root.classList.toggle("cy-lost", lost);
    const banner = byId("cy-lost");
    if (banner.hidden === lost) banner.hidden = !lost;
    const since = byId("cy-lost-since");
    write(since, since.dataset.text.replace("{time}", clock(new Date(heard), "seconds")));
  }

  // What is new is announced once, as text that stays for some seconds.
  let over = 0;

  function toast(text) {
    write(byId("cy-toast"), text);
    clearTimeout(over);
    over = setTimeout(() => write(byId("cy-toast"), ""), 8000);
  }

  Object.assign(window.cityeye, {
    announce(news) {
      toast(news.slice(0, 3).join(" ") + (news.length > 3 ? " +" + (news.length - 3) : ""));
      if (document.hidden && window.Notification?.permission === "granted") {
        new Notification(texts.shown, { body: news.slice(0, 3).join("\n"), tag: "cityeye" });
      }
    },
  });

  function offerNotifications() {
    const button = document.querySelector("[data-notify]");
    if (button) button.hidden = window.Notification?.permission !== "default";
  }

  async function act(button) {
    button.disabled = true;
    const answer = await ask(button.dataset.call, button.dataset.to);
    button.disabled = false;
    if (isDone(answer)) emitEvent("cy-refresh");
    else toast(words(answer));
  }

  // Case work: one click where nothing is to be said, else a dialog that asks for it.
  let order = null;

  function orderOf(button) {
    const revision = Number(button.parentElement.dataset.revision);
    return { action: button.dataset.act, url: button.dataset.to, body: { revision } };
  }

  async function work(button) {
    order = orderOf(button);
    if ("direct" in button.dataset) {
      button.disabled = true;
      const answer = await ask("POST", order.url, order.body);
      button.disabled = false;
      if (!isDone(answer)) toast(words(answer));
      return;
    }
    byId("cy-act-form").reset();
    for (const part of document.querySelectorAll("#cy-act [data-for]")) {
      part.hidden = part.dataset.for !== order.action;
    }
    write(byId("cy-act-title"), button.textContent.trim());
    write(byId("cy-act-send"), button.textContent.trim());
    write(byId("cy-act-problem"), "");
    byId("cy-act").showModal();
    document.querySelector("#cy-act :is(input, textarea):not([hidden] *)").focus();
  }

  function missing({ reason, to, text }) {
    if (order.action === "false_alarm" && !reason) return texts.reasonMissing;
    if (order.action === "false_alarm" && reason === "other" && !text) return texts.reasonOther;
    if (order.action === "dispatched" && !to) return texts.toMissing;
    return order.action === "noted" && !text ? texts.textMissing : "";
  }

  async function send() {
    const fields = Object.fromEntries(new FormData(byId("cy-act-form")));
    const said = Object.entries(fields).map(([name, value]) => [name, value.trim()]);
    const given = Object.fromEntries(said.filter(([, value]) => value));
    write(byId("cy-act-problem"), missing(given));
    if (missing(given)) return;
    const answer = await ask("POST", order.url, { ...order.body, ...given });
    if (isDone(answer)) byId("cy-act").close();
    else write(byId("cy-act-problem"), words(answer));
  }

  let evidence = null;
  let shown = "";

  function askForEvidence(button) {
    evidence = button.dataset;
    write(byId("cy-evidence-problem"), "");
    byId("cy-evidence-view").replaceChildren();
    byId("cy-evidence").showModal();
    byId("cy-reason").focus();
  }

  async function showEvidence() {
    const reason = byId("cy-reason").value.trim();
    if (reason.length < 8) return write(byId("cy-evidence-problem"), texts.reasonTooShort);
    const answer = await ask("POST", evidence.evidence, { reason }, { as: "blob" });
    if (!isDone(answer)) return write(byId("cy-evidence-problem"), words(answer));
    URL.revokeObjectURL(shown);
    shown = URL.createObjectURL(answer.data);
    const view = document.createElement(evidence.kind === "video" ? "video" : "img");
    view.src = shown;
    if (evidence.kind === "video") view.controls = view.autoplay = true;
    else view.alt = byId("cy-evidence-title").textContent;
    byId("cy-evidence-view").replaceChildren(view);
    write(byId("cy-evidence-problem"), "");
  }

  // What was shown for a reason does not stay in the page without one.
  byId("cy-evidence").addEventListener("close", () => {
    byId("cy-evidence-view").replaceChildren();
    byId("cy-reason").value = "";
    URL.revokeObjectURL(shown);
  });

  // The queue and the incident beside it: one is chosen without loading the page anew.
  const page = (name) => document.querySelector("main.cy-page-" + name);
  const items = () => Array.from(document.querySelectorAll(".cy-queue .cy-item"));

  // Keys that come faster than the server's answer are meant for what was chosen, not for what is
  // still shown: they wait for it.
  let wanted = null;

  async function shownIsWanted() {
    for (let tries = 0; tries < 100; tries += 1) {
      const title = document.querySelector(".cy-title");
      if (!wanted || title?.dataset.key === wanted) return true;
      await new Promise((done) => setTimeout(done, 30));
    }
    return false;
  }

  function choose(item) {
    wanted = item.dataset.key;
    emitEvent("cy-open", { city: item.dataset.city, incident: item.dataset.incident });
    history.pushState(null, "", item.href);
    item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
    if (innerWidth <= 900) byId("main").scrollTo(0, 0);
  }

  function step(by) {
    const all = items();
    const at = all.findIndex((one) => one.getAttribute("aria-current"));
    const next = all[at + by];
    if (next) choose(next);
    else if (by > 0) document.querySelector("a[data-following]")?.click();
  }

  window.addEventListener("popstate", () => {
    wanted = null;
    const [, name, city, ...id] = location.pathname.split("/");
    if (name !== "incidents") return;
    const route = city ? { city: decodeURIComponent(city), incident: decodeURIComponent(id.join("/")) } : {};
    emitEvent("cy-open", route);
  });

  function showFrame(role) {
    const frames = document.querySelector(".cy-frames");
    frames.dataset.frame = role;
    for (const tab of frames.querySelectorAll(".cy-tab")) {
      tab.setAttribute("aria-pressed", String(tab.dataset.show === role));
    }
  }

  function nextFrame() {
    const tabs = Array.from(document.querySelectorAll(".cy-tab"));
    const at = tabs.findIndex((one) => one.getAttribute("aria-pressed") === "true");
    if (tabs.length) showFrame(tabs[(at + 1) % tabs.length].dataset.show);
  }

  // Live images: one a second of each camera that is in view, and none while nobody looks. Where none
  // comes, the words behind it are shown; an old image never stays.
  const asked = new WeakMap();
  let waiting = 0;

  async function showNow(place) {
    asked.set(place, Date.now());
    waiting += 1;
    const image = place.querySelector("img");
    const boxes = byId("cy-boxes")?.checked ?? true;
    const answer = await ask("GET", `${place.dataset.live}&boxes=${boxes}`, null, { as: "blob" });
    waiting -= 1;
    if (!isDone(answer)) {
      delete place.dataset.now;
      return;
    }
    const next = URL.createObjectURL(answer.data);
    URL.revokeObjectURL(image.src);
    image.src = next;
    place.dataset.now = "";
  }

  setInterval(() => {
    if (document.hidden) return;
    for (const place of document.querySelectorAll("[data-live]")) {
      const { top, bottom } = place.getBoundingClientRect();
      const isDue = Date.now() - (asked.get(place) || 0) > 1000;
      if (isDue && waiting < 4 && bottom > 0 && top < innerHeight) showNow(place);
    }
  }, 250);

  // A file begins where the filter does, and has its times in the zone of the viewer.
  const SPANS_H = { "1h": 1, "24h": 24, "7d": 168 };

  function setExport(link) {
    const address = new URL(link.href);
    address.searchParams.set("time_zone", zone);
    const hours = SPANS_H[link.dataset.export];
    if (hours) {
      const since = new Date(Date.now() + skew - hours * 3600000);
      address.searchParams.set("since", since.toISOString());
    }
    link.href = address;
  }

  const CLICKS = {
    "[data-language]"(button) {
      document.cookie = `cityeye_language=${button.dataset.language};path=/;max-age=31536000;samesite=strict`;
      location.reload();
    },
    "[data-theme-switch]"() {
      root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
      localStorage.setItem("cityeye_theme", root.dataset.theme);
    },
    "[data-help]": () => byId("cy-help").showModal(),
    "[data-notify]": () => Notification.requestPermission().then(offerNotifications),
    "[data-print]": () => window.print(),
    "[data-call]": act,
    "[data-act]": work,
    "#cy-act-send": send,
    "[data-evidence]": askForEvidence,
    "#cy-evidence-show": showEvidence,
    "[data-export]": setExport,
    "[data-show]": (tab) => showFrame(tab.dataset.show),
    "[data-ask]": (button) => byId(button.dataset.ask).showModal(),
    "[data-close]": (button) => button.closest("dialog").close(),
  };

  document.addEventListener("click", (event) => {
    const item = event.target.closest(".cy-queue .cy-item");
    if (item && !(event.ctrlKey || event.metaKey || event.shiftKey || event.button)) {
      event.preventDefault();
      choose(item);
      return;
    }
    if (event.target.matches("dialog")) event.target.close();
    for (const [selector, act] of Object.entries(CLICKS)) {
      const found = event.target.closest(selector);
      if (found) act(found);
    }
  });

  const FILTERS = ".cy-filters, .cy-camera-head, .cy-traffic-head, .cy-users-head, .cy-report-head";

  const TYPED = ["search", "text", "date", "datetime-local"]; // Applied with Enter, not while typing.

  function applyFilter(form) {
    const chosen = Array.from(new FormData(form)).filter(([, value]) => value);
    for (const pair of chosen) {
      if (form.elements[pair[0]].type === "datetime-local") pair[1] = new Date(pair[1]).toISOString();
    }
    const [, name] = location.pathname.split("/");
    location.assign(`/${name}?` + new URLSearchParams(chosen));
  }

  document.addEventListener("submit", (event) => {
    if (!event.target.matches(FILTERS)) return;
    event.preventDefault();
    applyFilter(event.target);
  });

  document.addEventListener("change", (event) => {
    const form = event.target.closest(FILTERS);
    if (form && event.target.name && !TYPED.includes(event.target.type)) {
      applyFilter(form);
    } else if (event.target.id === "cy-keys-on") {
      localStorage.setItem("cityeye_keys", event.target.checked ? "on" : "off");
    }
  });

  async function press(action) {
    if (await shownIsWanted()) document.querySelector(`[data-act="${action}"]`)?.click();
  }

  // Single keys can be switched off, for people whose voice or other input would press them.
  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    c: () => press("confirmed"),
    f: () => press("false_alarm"),
    d: () => press("dispatched"),
    r: () => press("resolved"),
    n: () => press("noted"),
    o: () => byId("cy-overlay")?.click(),
    p: nextFrame,
    "?": () => byId("cy-help").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const inQueue = event.target.closest(".cy-queue");
    if (inQueue && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      return step(event.key === "ArrowDown" ? 1 : -1);
    }
    if (localStorage.getItem("cityeye_keys") === "off") return;
    const key = KEYS[event.key];
    if (key) {
      event.preventDefault();
      key();
    } else if (/^[1-9]$/.test(event.key)) {
      document.querySelectorAll(".cy-nav a")[Number(event.key) - 1]?.click();
    }
  });

  // A picture that cannot be had leaves its place to the words behind it.
  for (const type of ["error", "load"]) {
    document.addEventListener(
      type,
      ({ target }) => {
        if (target instanceof HTMLImageElement) target.toggleAttribute("data-missing", type === "error");
      },
      true,
    );
  }

  // What had the focus gets it back where its place in the list has changed.
  let focused = "";
  document.addEventListener("focusin", ({ target }) => (focused = target.dataset?.key || ""));

  function follow() {
    tell();
    offerNotifications();
    if (focused && document.activeElement === document.body) {
      document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    }
  }

  byId("cy-keys-on").checked = localStorage.getItem("cityeye_keys") !== "off";
  new MutationObserver(follow).observe(root, { childList: true, subtree: true });
  setInterval(() => {
    tell();
    watch();
  }, 1000);
})();
