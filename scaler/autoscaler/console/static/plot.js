// Reads plots at a moment: under the pointer, or by the arrow keys where a plot has the focus. What is read stays at its moment
// while the page renews the plot.

const SVG = "http://www.w3.org/2000/svg";
let read = null; // the plot's id, and the moment, in seconds since 1970

function found(target) {
  return target instanceof Element ? target.closest("svg[data-plot]") : null;
}

function figures(svg) {
  svg.figures ??= JSON.parse(svg.dataset.plot);
  return svg.figures;
}

function nearest(moments, at) {
  let best = 0;
  for (let index = 1; index < moments.length; index += 1) {
    if (Math.abs(moments[index] - at) < Math.abs(moments[best] - at)) best = index;
  }
  return best;
}

// A line holds its value until the next point.
function valueAt(points, at) {
  let value = null;
  for (const [moment, then] of points) {
    if (moment > at) break;
    value = then;
  }
  return value;
}

function show(svg, index) {
  const { start, end, left, right, top, bottom, moments, lines } = figures(svg);
  const at = moments[index];
  read = { id: svg.id, at: start + at };
  const x = left + (at / (end - start)) * (right - left);
  const cursor = svg.querySelector(".cursor") ?? svg.appendChild(document.createElementNS(SVG, "line"));
  const place = { class: "cursor", x1: x, x2: x, y1: top, y2: bottom };
  for (const [name, value] of Object.entries(place)) cursor.setAttribute(name, value);
  const told = lines.map(([name, points]) => `${name} ${valueAt(points, at) ?? "unknown"}`).reverse();
  const clock = new Date((start + at) * 1000).toISOString().slice(11, 19);
  svg.parentElement.querySelector(".reading").textContent = `${clock} UTC: ${told.join(", ")}`;
}

function clear(svg) {
  read = null;
  svg.querySelector(".cursor")?.remove();
  svg.parentElement.querySelector(".reading").textContent = "";
}

export function readAgain(part) {
  const svg = read && part.querySelector(`#${CSS.escape(read.id)}[data-plot]`);
  if (svg) show(svg, nearest(figures(svg).moments, read.at - figures(svg).start));
}

document.addEventListener("pointermove", (event) => {
  const svg = found(event.target);
  if (read && (svg === null || svg.id !== read.id)) {
    const before = document.getElementById(read.id);
    if (before && before !== document.activeElement) clear(before);
  }
  if (svg === null) return;
  const { start, end, left, right, moments } = figures(svg);
  const box = svg.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
  show(svg, nearest(moments, ((x - left) / (right - left)) * (end - start)));
});

document.addEventListener("keydown", (event) => {
  const svg = found(event.target);
  if (svg === null) return;
  const last = figures(svg).moments.length - 1;
  const at = read?.id === svg.id ? nearest(figures(svg).moments, read.at - figures(svg).start) : last + 1;
  const index = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
  if (event.key === "Escape") clear(svg);
  else if (index !== undefined) show(svg, Math.max(0, Math.min(last, index)));
  else return;
  event.preventDefault();
});
