// The live image of one camera: a stream that is read while somebody sees it, and closed else. It is
// read by the script and not by an image element, so that an old image never stays: a part without a
// frame, or none for some seconds, leaves its place to the words behind it.
(() => {
  "use strict";
  const OLDEST_MS = 6000;
  const AGAIN_MS = 2000;
  const END = [13, 10, 13, 10];
  const byId = (id) => document.getElementById(id);
  let place = null;
  let reading = null;
  let wanted = "";
  let inView = true;
  let shownAt = 0;
  let retryAt = 0;

  function hide() {
    delete place.dataset.now;
    byId("cy-live-at").textContent = "";
  }

  async function show(head, body) {
    const at = /^cityeye-frame-at: *(\S+)/im.exec(head);
    if (!/^cityeye-frame: *\d/im.test(head) || !at) return hide();
    const image = byId("cy-live");
    const next = URL.createObjectURL(new Blob([body], { type: "image/jpeg" }));
    URL.revokeObjectURL(image.src);
    image.src = next;
    await image.decode().catch(() => {});
    place.style.setProperty("--ratio", String(image.naturalWidth / image.naturalHeight || 16 / 9));
    place.dataset.now = "";
    shownAt = Date.now();
    byId("cy-live-at").dateTime = at[1];
  }

  function endOfHead(bytes) {
    for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
      if (END.every((byte, step) => bytes[at + step] === byte)) return at;
    }
    return -1;
  }

  async function read(stream) {
    let held = new Uint8Array(0);
    for (;;) {
      const { done, value } = await stream.read();
      if (done) return;
      const joined = new Uint8Array(held.length + value.length);
      joined.set(held);
      joined.set(value, held.length);
      held = joined;
      for (let end = endOfHead(held); end >= 0; end = endOfHead(held)) {
        const head = new TextDecoder("latin1").decode(held.subarray(0, end));
        const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? NaN);
        const from = end + END.length;
        if (!(held.length >= from + length)) break;
        await show(head, held.slice(from, from + length));
        held = held.slice(from + length + 2);
      }
    }
  }

  function address() {
    const width = Math.min(1920, Math.max(320, Math.round(place.clientWidth * devicePixelRatio)));
    return `${place.dataset.api}/live?fps=5&width=${width}&boxes=${byId("cy-boxes").checked}`;
  }

  async function follow() {
    const own = (reading = new AbortController());
    wanted = String(byId("cy-boxes").checked);
    try {
      const answer = await fetch(address(), { signal: own.signal });
      if (answer.ok) await read(answer.body.getReader());
    } catch {
      // It ended, or nobody sees it any more.
    }
    if (reading !== own) return;
    reading = null;
    retryAt = Date.now() + AGAIN_MS;
  }

  function close() {
    const own = reading;
    reading = null;
    own?.abort();
  }

  function keepUp() {
    const found = byId("cy-stage");
    if (!found) return;
    if (found !== place) {
      place = found;
      new IntersectionObserver((all) => (inView = all[all.length - 1].isIntersecting)).observe(place);
      byId("cy-full")?.addEventListener("click", () => byId("cy-stage-box").requestFullscreen());
    }
    const isSeen = inView && !document.hidden;
    if (reading && (!isSeen || wanted !== String(byId("cy-boxes").checked))) close();
    if (!reading && isSeen && Date.now() >= retryAt) follow();
    if (Date.now() - shownAt > OLDEST_MS) hide();
  }

  addEventListener("pagehide", close);
  setInterval(keepUp, 250);
})();
