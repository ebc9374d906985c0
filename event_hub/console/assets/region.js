// A part of a page whose HTML comes from the server. A change is worked into what is there, so that
// what has the focus keeps it, images stay loaded, and what somebody has typed or opened remains.
const KEPT = "data-keep"; // names of attributes that belong to the browser, on the element itself

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || "" : "";
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
}

function attributes(now, next) {
  const kept = new Set((next.getAttribute(KEPT) || "").split(" "));
  for (const { name } of Array.from(now.attributes)) {
    if (!next.hasAttribute(name) && !kept.has(name)) now.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (!kept.has(name) && now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
}

function work(now, next) {
  let place = now.firstChild;
  for (const wanted of Array.from(next.childNodes)) {
    let found = place;
    while (found && !alike(found, wanted)) found = found.nextSibling;
    if (!found) {
      now.insertBefore(wanted, place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else now.insertBefore(found, place);
    if (found.nodeType !== Node.ELEMENT_NODE) {
      if (found.nodeValue !== wanted.nodeValue) found.nodeValue = wanted.nodeValue;
    } else if (!found.isEqualNode(wanted)) {
      attributes(found, wanted);
      work(found, wanted);
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

export default {
  template: `<component :is="tag"></component>`,
  props: { tag: String, html: String },
  data() {
    return { shown: null };
  },
  mounted() {
    this.show();
  },
  updated() {
    this.show();
  },
  methods: {
    show() {
      if (this.html === this.shown) return;
      const next = document.createElement("template");
      next.innerHTML = this.html;
      work(this.$el, next.content);
      this.shown = this.html;
    },
  },
};
