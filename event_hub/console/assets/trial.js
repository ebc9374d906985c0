// What a form about a camera says: what came of a trial, and which fields the city has something against.
(() => {
  "use strict";
  const { texts, fill, sentence, why, element } = window.cityeye;

  function trialShown(place, trial) {
    const { good, sentence: said, codec, width, height, fps, jpeg } = trial;
    const facts = { codec: codec || "–", width, height, fps: fps || "–" };
    const { main_width: mainWidth, main_height: mainHeight } = trial;
    const main = mainWidth ? ` ${fill(texts.testGoodMain, { width: mainWidth, height: mainHeight })}` : "";
    const text = good ? fill(texts.testGood, facts) + main : `${texts.testBad} ${said}`;
    const parts = [element("p", { className: good ? "cy-good" : "cy-problem", textContent: text })];
    if (jpeg) {
      parts.push(element("img", { src: `data:image/jpeg;base64,${jpeg}`, alt: texts.testImage }));
    }
    place.replaceChildren(...parts);
  }

  // Problems name keys of the configuration; a field of that name is marked. Gives what is to be said.
  function fieldProblems(form, answer) {
    const problems = answer.data.problems ?? [];
    for (const { key } of problems) {
      const name = key.replace(/^cameras\[\d+\]\./, "").split(".").pop();
      form.elements[name]?.setAttribute?.("aria-invalid", "true");
    }
    const named = problems.map((one) => `${one.key.replace(/^cameras\[\d+\]\.?/, "")}: ${sentence(one)}`);
    return named.length ? named.join(" ") : why(answer);
  }

  Object.assign(window.cityeye, { trialShown, fieldProblems });
})();
