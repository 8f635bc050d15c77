
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
