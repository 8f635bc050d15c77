
"use strict";
// Filters are links: #wrong shows the wrong lists, and a page can be handed on with what it shows.
for (const bar of document.querySelectorAll(".filter[data-group]")) {
  const items = document.querySelectorAll(`[data-items="${bar.dataset.group}"] > [data-kind]`);
  const links = [...bar.querySelectorAll("a")];
  const show = (chosen) => {
    let shown = 0;
    for (const item of items) {
      item.hidden = chosen.dataset.kind !== "all" && item.dataset.kind !== chosen.dataset.kind;
      shown += item.hidden ? 0 : 1;
    }
    for (const link of links) link.setAttribute("aria-current", String(link === chosen));
    bar.querySelector("[role=status]").textContent = `${shown} of ${items.length} shown`;
  };
  const follow = () => {
    const chosen = links.find((link) => link.hash === location.hash);
    if (chosen) show(chosen);
  };
  bar.hidden = false;
  show(links[0]);
  follow();
  addEventListener("hashchange", follow);
}

for (const bar of document.querySelectorAll("[data-colours]")) {
  const links = [...bar.querySelectorAll("a")];
  const colour = (chosen) => {
    document.querySelector(".map > svg").dataset.by = chosen.dataset.by;
    for (const link of links) link.setAttribute("aria-current", String(link === chosen));
    for (const legend of document.querySelectorAll("[data-legend]")) legend.hidden = legend.dataset.legend !== chosen.dataset.by;
  };
  const follow = () => {
    const chosen = links.find((link) => link.hash === location.hash);
    if (chosen) colour(chosen);
  };
  bar.hidden = false;
  colour(links[0]);
  follow();
  addEventListener("hashchange", follow);
}

// The map: one stop of the tab key, then arrow keys to the nearest dot that way.
for (const map of document.querySelectorAll(".map > svg")) {
  const points = [...map.querySelectorAll(".point")];
  const figure = map.parentElement.querySelector(".looked-at");
  const place = (point) => [point.cx.baseVal.value, point.cy.baseVal.value];
  const look = (point) => {
    const image = figure.querySelector("img");
    image.src = point.dataset.picture;
    image.width = point.dataset.width;
    image.height = point.dataset.height;
    image.alt = point.getAttribute("aria-label");
    image.hidden = false;
    figure.querySelector("figcaption").textContent = image.alt;
    for (const other of points) {
      other.classList.toggle("chosen", other === point);
      other.tabIndex = other === point ? 0 : -1;
    }
  };
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = (from, [right, down]) => {
    const [x, y] = place(from);
    let best = null, least = Infinity;
    for (const point of points) {
      const [across, below] = [place(point)[0] - x, place(point)[1] - y];
      const along = across * right + below * down, aside = Math.abs(across * down) + Math.abs(below * right);
      if (along > 0 && along + 2 * aside < least) [best, least] = [point, along + 2 * aside];
    }
    return best;
  };
  for (const point of points) {
    point.addEventListener("pointerenter", () => look(point));
    point.addEventListener("focus", () => look(point));
    point.addEventListener("keydown", (event) => {
      if (!ways[event.key]) return;
      event.preventDefault();
      step(point, ways[event.key])?.focus();
    });
  }
  if (points.length) points[0].tabIndex = 0;
}

// Corrections by eye: rows of a CSV file, never contradicting each other, that the page hands over as a download.
for (const panel of document.querySelectorAll(".correct")) {
  const said = JSON.parse(panel.dataset.said), somebody = JSON.parse(panel.dataset.somebody);
  const shelf = `gcl corrections ${panel.dataset.clusters}`, skipped = new Set();
  const remembered = () => {
    try { return JSON.parse(localStorage.getItem(shelf)) ?? []; } catch { return []; }
  };
  const remember = () => {
    try { localStorage.setItem(shelf, JSON.stringify(steps)); return true; } catch { return false; }
  };
  const steps = remembered();
  let safe = true;  // whether the page may be left without a word
  const find = (selector) => panel.querySelector(selector);
  const items = [...panel.querySelectorAll(".questions > li")];
  const rows = () => [...said, ...steps.flat()];
  const tell = (text) => { find("[role=status]").textContent = text; };
  const root = (parent, name) => {
    while (parent.has(name)) name = parent.get(name);
    return name;
  };
  const known = (all) => {
    const parent = new Map(), apart = new Set(), nobody = new Set();
    for (const [kind, first, second] of all) {
      const ends = [root(parent, first), root(parent, second)];
      if (kind === "must-link" && ends[0] !== ends[1]) parent.set(ends[0], ends[1]);
      if (kind === "not-a-person") nobody.add(first);
    }
    const pair = (first, second) => JSON.stringify([root(parent, first), root(parent, second)].sort());
    for (const [kind, first, second] of all) if (kind === "cannot-link") apart.add(pair(first, second));
    const same = (first, second) => root(parent, first) === root(parent, second);
    const wrong = all.some(([kind, first, second]) =>
      kind === "cannot-link" ? same(first, second) : kind === "must-link" && (nobody.has(first) || nobody.has(second)));
    const settled = (first, second) =>
      same(first, second) || apart.has(pair(first, second)) || nobody.has(first) || nobody.has(second);
    return { settled, wrong };
  };
  const cell = (text) => {
    const safe = /^[=+\-@\uff1d\uff0b\uff0d\uff20\t\r']/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const asked = () => {
    const { settled } = known(rows());
    return items.find((item) => !skipped.has(item) && !settled(item.dataset.first, item.dataset.second));
  };
  const show = () => {
    const next = asked();
    for (const item of items) item.hidden = item !== next;
    find(".answers").hidden = !next;
    find("[data-undo]").disabled = steps.length === 0;
    const lines = ["kind,first,second", ...rows().map((row) => row.map(cell).join(","))];
    find(".download").href = `data:text/csv;charset=utf-8,${encodeURIComponent(lines.join("\n") + "\n")}`;
    const count = rows().length;
    tell(`${count} correction${count === 1 ? "" : "s"}${next ? "" : items.length ? "; no question is left" : ""}`);
  };
  const add = (more) => {
    if (known([...rows(), ...more]).wrong) {
      tell("That contradicts what was said before: undo first.");
      return false;
    }
    steps.push(more);
    safe = remember();
    show();
    return true;
  };
  const answer = (what) => {
    const item = asked();
    if (!item) return;
    const { first, second } = item.dataset;
    const row = { same: ["must-link", first, second], different: ["cannot-link", first, second],
      left: ["not-a-person", first, ""], right: ["not-a-person", second, ""] }[what];
    if (row) add([row]);
    else { skipped.add(item); show(); }
  };
  const undo = () => { steps.pop(); safe = remember(); show(); };
  const keys = { s: "same", d: "different", 1: "left", 2: "right", k: "skip" };
  panel.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (keys[event.key]) answer(keys[event.key]);
    if (event.key === "z") undo();
  });
  for (const button of panel.querySelectorAll("[data-answer]")) button.addEventListener("click", () => answer(button.dataset.answer));
  find("[data-undo]").addEventListener("click", undo);
  find(".download").addEventListener("click", () => { safe = true; });
  addEventListener("beforeunload", (event) => { if (!safe) event.preventDefault(); });
  for (const cluster of document.querySelectorAll("[data-cluster]")) {
    const picks = [...cluster.querySelectorAll(".pick")], number = cluster.querySelector("input");
    const names = (marked) => picks.filter((pick) => (pick.getAttribute("aria-pressed") === "true") === marked).map((pick) => pick.dataset.name);
    const mark = (pick, marked) => pick.setAttribute("aria-pressed", String(marked));
    for (const pick of picks) pick.addEventListener("click", () => mark(pick, pick.getAttribute("aria-pressed") !== "true"));
    const make = {
      split: () => {
        const [one, ...more] = names(true), rest = names(false);
        if (!one || !rest.length) return null;
        return [...more.map((name) => ["must-link", one, name]), ...rest.map((name) => ["cannot-link", one, name])];
      },
      nobody: () => (names(true).length ? names(true).map((name) => ["not-a-person", name, ""]) : null),
      merge: () => {
        const other = somebody[number.value];
        return other && number.value !== cluster.dataset.cluster ? [["must-link", somebody[cluster.dataset.cluster], other]] : null;
      },
    };
    cluster.querySelector(".actions").hidden = false;
    for (const button of cluster.querySelectorAll("[data-do]")) button.addEventListener("click", () => {
      const more = make[button.dataset.do]();
      if (!more) tell(button.dataset.do === "merge" ? "Type the number of another cluster." : "Mark some pictures of the cluster first, not all.");
      else if (add(more)) for (const pick of picks) mark(pick, false);
    });
  }
  find(".done").hidden = false;
  show();
}
