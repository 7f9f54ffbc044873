"use strict";
// Computes scores again under other weights, by the formulas of evaluator/judging/scoring.py. Without it the page shows
// the same figures as a table.
(() => {
  const found = document.getElementById("weighing");
  if (!found) return;
  const data = JSON.parse(found.textContent);
  const run = data.categories.map((each) => each.weight);
  const weights = run.slice();
  const panel = document.getElementById("weights"), moved = document.getElementById("moved");
  const ranked = document.getElementById("ranked"), reset = document.getElementById("reset");
  const sliders = [...panel.querySelectorAll("input")], told = [...panel.querySelectorAll("output")];

  // Neumaier's sum: what Python's fsum gives, but for the last bit.
  const sum = (numbers) => {
    let total = 0, lost = 0;
    for (const each of numbers) {
      const next = total + each;
      lost += Math.abs(total) >= Math.abs(each) ? total - next + each : each - next + total;
      total = next;
    }
    return total + lost;
  };
  const score = (candidate) => {
    const total = sum(weights), rows = candidate.categories.map((row, i) => [weights[i], ...row]);
    const mean = (column) => (total > 0 ? sum(rows.map((row) => row[0] * row[column])) / total : 0);
    const measured = rows.filter((row) => row[1] !== null), weighed = sum(measured.map((row) => row[0]));
    const overall = weighed > 0 ? sum(measured.map((row) => row[0] * row[1])) / weighed : null;
    const coverage = mean(4);
    const verdict = candidate.gates ? "not ready"
      : overall === null || coverage < data.least_coverage ? "insufficient evidence"
      : overall < data.least_score ? "not ready" : candidate.open ? "insufficient evidence" : "ready";
    return { name: candidate.name, overall, lower: mean(2), upper: total > 0 ? mean(3) : 10, coverage, verdict };
  };
  // As Python writes them: one decimal, a tie to the even digit; whole per cent, rounded down.
  const decimal = (x) => (x === null ? "not measured" : x - Math.floor(x) === 0.25 ? `${Math.floor(x)}.2` : x.toFixed(1));
  const percent = (x) => `${Math.floor(Math.round(x * 1e8) / 1e6)} %`;
  const tones = { "ready": ["good", "✓"], "not ready": ["bad", "✗"], "insufficient evidence": ["warn", "!"] };
  const made = (tag, text, name) => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const sorted = (group) => group.candidates.map(score).sort((a, b) => (b.overall ?? -1) - (a.overall ?? -1));
  const order = (group) => sorted(group).map((each) => each.name).join("\n");
  const before = data.groups.map(order);

  const list = (group) => {
    const all = made("ol", "");
    for (const each of sorted(group)) {
      const entry = made("li", ""), [tone, sign] = tones[each.verdict];
      for (const key of ["name", "overall", "lower", "upper", "coverage", "verdict"]) entry.dataset[key] = each[key];
      entry.append(made("strong", `${each.name} ${decimal(each.overall)}`), " ", made("span", `${sign} ${each.verdict}`, `chip ${tone}`),
        made("span", ` ${decimal(each.lower)} to ${decimal(each.upper)} whatever is missing; ${percent(each.coverage)} measured`, "soft small"));
      all.append(entry);
    }
    return all;
  };
  const show = () => {
    const total = sum(weights), same = weights.every((each, i) => each === run[i]);
    const turned = data.groups.filter((group, i) => order(group) !== before[i]).map((group) => group.title);
    told.forEach((each, i) => {
      each.textContent = `${total > 0 ? Math.round(100 * weights[i] / total) : 0} %`;
      sliders[i].setAttribute("aria-valuetext", `${each.textContent} of the weight`);
    });
    panel.classList.toggle("other", !same);
    reset.disabled = same;
    moved.textContent = same ? "These are the weights of this run."
      : "Weights moved: not the criteria of this run." + (turned.length ? ` The order turns: ${turned.join(", ")}.` : " The order stays.");
    ranked.replaceChildren(...data.groups.flatMap((group) => [made("h4", group.title), list(group)]));
  };
  sliders.forEach((each, i) => each.addEventListener("input", () => { weights[i] = each.valueAsNumber; show(); }));
  reset.addEventListener("click", () => {
    run.forEach((weight, i) => { weights[i] = weight; sliders[i].value = weight; });
    show();
    sliders[0].focus();
  });
  // A browser that goes back to a page puts sliders where they were.
  sliders.forEach((each, i) => { each.value = run[i]; });
  panel.hidden = false;
  show();
})();
