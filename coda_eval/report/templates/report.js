"use strict";
// Everything that a model wrote is put in as text, never as markup.
const byId = (id) => document.getElementById(id);
const parse = (id) => JSON.parse(byId(id).textContent);
const { problems, flips, labels, letters } = parse("data");

// Tables: a button in each heading sorts.
const keyOf = (cell) => {
  const text = cell.dataset.value ?? cell.textContent.trim();
  if (text === "") return null;
  return Number.isNaN(Number(text)) ? text : Number(text);
};
const compare = (a, b) => {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
};
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const body = table.tBodies[0];
      const keyed = [...body.rows].map((row) => [row.cells[column] ? keyOf(row.cells[column]) : null, row]);
      // What is unknown stays at the end either way.
      keyed.sort(([a], [b]) => (a === null || b === null || ascending ? compare(a, b) : compare(b, a)));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}
const filterPoints = () => {
  const wanted = byId("filter-points").value.toLowerCase();
  for (const row of byId("table").tBodies[0].rows) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted) || (byId("only-front").checked && row.dataset.front !== "yes");
  }
};
byId("filter-points").addEventListener("input", filterPoints);
byId("only-front").addEventListener("change", filterPoints);

// The grid: a row a problem, a column a point; one cell at a time can be reached by Tab.
const outcomes = parse("outcomes");
const grid = byId("grid");
const head = grid.createTHead().insertRow();
for (const label of ["problem", ...labels]) {
  const cell = document.createElement("th");
  cell.scope = "col";
  cell.textContent = label;
  head.append(cell);
}
const describe = (statuses) => {
  const passed = statuses.filter((status) => status === "passed").length;
  if (statuses.length === 0) return ["", "", "no sample"];
  if (statuses.length === 1) return statuses[0] === null ? ["?", "", "unscored"] : [letters[statuses[0]], statuses[0], statuses[0]];
  const kind = passed === statuses.length ? "passed" : passed === 0 ? "failed" : "some";
  return [`${passed}/${statuses.length}`, kind, `${passed} of ${statuses.length} passed`];
};
const body = grid.createTBody();
problems.forEach((problem, index) => {
  const row = document.createElement("tr");
  row.dataset.problem = index;
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = problem;
  row.append(name);
  labels.forEach((label, point) => {
    const cell = document.createElement("td");
    const [text, kind, words] = describe(outcomes[point][index]);
    cell.textContent = text;
    if (kind) cell.className = kind;
    cell.tabIndex = -1;
    cell.setAttribute("aria-label", `${problem}, ${label}: ${words}`);
    row.append(cell);
  });
  body.append(row);
});
const place = (cell) => [Number(cell.parentNode.dataset.problem), cell.cellIndex - 1];
const shownRows = () => [...body.rows].filter((row) => !row.hidden);
const makeReachable = (cell) => {
  grid.querySelector("td[tabindex='0']")?.setAttribute("tabindex", "-1");
  if (cell) cell.tabIndex = 0;
};
const filterProblems = () => {
  const wanted = byId("filter-problems").value.toLowerCase();
  for (const row of body.rows) {
    const index = Number(row.dataset.problem);
    row.hidden = !problems[index].toLowerCase().includes(wanted) || (byId("only-flips").checked && !flips[index]);
  }
  makeReachable(shownRows()[0]?.cells[1]);
};
byId("filter-problems").addEventListener("input", filterProblems);
byId("only-flips").addEventListener("change", filterProblems);
makeReachable(body.rows[0]?.cells[1]);
grid.addEventListener("focusin", (event) => event.target.matches("td") && makeReachable(event.target));
grid.addEventListener("click", (event) => {
  const cell = event.target.closest("td");
  if (cell) view(...place(cell), 0, cell);
});
grid.addEventListener("keydown", (event) => {
  const cell = event.target.closest("td");
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!cell || (!move && event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  if (!move) return void view(...place(cell), 0, cell);
  const rows = shownRows();
  const row = rows[Math.min(Math.max(rows.indexOf(cell.parentNode) + move[0], 0), rows.length - 1)];
  row.cells[Math.min(Math.max(cell.cellIndex + move[1], 1), row.cells.length - 1)].focus();
});

// The viewer. The samples of a point are parsed when it is first looked at.
const viewer = byId("viewer");
const parsed = new Map();
const samplesOf = (point) => {
  if (!parsed.has(point)) parsed.set(point, parse(`samples-${point}`));
  return parsed.get(point);
};
let shown = null;
const view = (problem, point, nth, origin) => {
  const samples = samplesOf(point);
  const index = samples.findIndex((sample) => sample.problem === problem) + nth;
  if (!samples[index]) return;
  shown = { point, index, origin };
  fill();
  viewer.showModal();
};
const fill = () => {
  const samples = samplesOf(shown.point);
  const sample = samples[shown.index];
  byId("viewer-title").textContent = `${problems[sample.problem]} · ${labels[shown.point]}`;
  byId("viewer-about").textContent = [
    sample.status === null ? "unscored" : sample.status.replaceAll("_", " "),
    `sample ${sample.sample}`,
    ...(sample.seed === null ? [] : [`seed ${sample.seed}`]),
    `ended by ${sample.stop_reason.replaceAll("_", " ")}`,
    ...(sample.tokens === null ? [] : [`${sample.tokens} tokens`]),
    ...(sample.forwards === null ? [] : [`${sample.forwards} forwards`]),
  ].join(" · ");
  byId("viewer-verdicts").replaceChildren(
    ...sample.verdicts.map((verdict) => {
      const item = document.createElement("li");
      item.textContent = `${verdict.suite}: ${verdict.status}${verdict.detail ? ` (${verdict.detail})` : ""}, ${verdict.cpu_s} s of CPU`;
      return item;
    }),
  );
  byId("viewer-solution").textContent = sample.solution || "(no program was found)";
  byId("viewer-completion").textContent = sample.completion;
  byId("viewer-previous").disabled = shown.index === 0;
  byId("viewer-next").disabled = shown.index === samples.length - 1;
  fillTrace(sample.trace);
};
const fillTrace = (trace) => {
  byId("viewer-trace").hidden = !trace;
  if (!trace) return;
  const last = Math.max(...trace.steps, 0);
  const slider = byId("trace-step");
  slider.max = last;
  slider.value = last;
  const pieces = trace.pieces.map((piece, position) => {
    const span = document.createElement("span");
    span.textContent = piece;
    span.title = `step ${trace.steps[position]}`;
    return span;
  });
  byId("trace-text").replaceChildren(...pieces);
  const paint = () => {
    byId("trace-output").textContent = `${slider.value} of ${last}`;
    pieces.forEach((span, position) => {
      const step = trace.steps[position];
      span.className = step > Number(slider.value) ? "waiting" : "";
      // Early is blue, late is orange; half transparent, so that the text stays legible on both grounds.
      span.style.backgroundColor = span.className ? "" : `hsl(${205 - (175 * step) / Math.max(last, 1)} 80% 50% / 35%)`;
    });
  };
  slider.oninput = paint;
  paint();
};
const step = (by) => {
  if (!samplesOf(shown.point)[shown.index + by]) return;
  shown.index += by;
  fill();
};
byId("viewer-previous").addEventListener("click", () => step(-1));
byId("viewer-next").addEventListener("click", () => step(1));
byId("viewer-close").addEventListener("click", () => viewer.close());
viewer.addEventListener("keydown", (event) => {
  if (event.target === byId("trace-step")) return;
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
viewer.addEventListener("close", () => shown?.origin?.focus());
document.documentElement.dataset.ready = "yes";
