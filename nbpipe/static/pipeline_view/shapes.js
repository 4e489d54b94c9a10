/* What the view of a graph is made of: elements, words, and the geometry of edges.
 *
 * The parts of this folder are read one after the other as one module (`widgets.pipeline_graph`).
 * Names and whatever else comes from the kernel are set as text, never read as HTML; the one
 * exception is a step's card, which Python has written with everything escaped.
 */

const SVG = "http://www.w3.org/2000/svg";

function html(tag, attributes = {}, ...children) {
  return dressed(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return dressed(document.createElementNS(SVG, tag), attributes, children);
}

function dressed(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function button(label, title, onPress, attributes = {}) {
  const made = html("button", { type: "button", title, "aria-label": title, ...attributes }, label);
  made.addEventListener("click", onPress);
  return made;
}

function seconds(value) {
  if (value < 60) return `${Math.floor(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
}

/* An edge is straight from an even point to the next, and swings from an odd one to the next. */
function edgePath(points, down) {
  let pen = `M${points[0]} ${points[1]}`;
  for (let at = 2; at < points.length; at += 2) {
    const [x0, y0, x, y] = [points[at - 2], points[at - 1], points[at], points[at + 1]];
    if (at % 4 === 0) {
      const middle = down ? (y0 + y) / 2 : (x0 + x) / 2;
      pen += down ? `C${x0} ${middle} ${x} ${middle} ${x} ${y}` : `C${middle} ${y0} ${middle} ${y} ${x} ${y}`;
    } else if (x !== x0 || y !== y0) {
      // A piece without length has no direction, and the arrowhead would take it for its own.
      pen += `L${x} ${y}`;
    }
  }
  return pen;
}

function extent(points) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < points.length; at += 2) {
    left = Math.min(left, points[at]);
    right = Math.max(right, points[at]);
    top = Math.min(top, points[at + 1]);
    bottom = Math.max(bottom, points[at + 1]);
  }
  return { left, top, right, bottom };
}

function middleOf(points, down, fanned) {
  // Edges that fan out are far apart at their ends, those that come together at their starts.
  const at = fanned ? points.length - 6 : 2;
  return { x: (points[at] + points[at + 2]) / 2, y: (points[at + 1] + points[at + 3]) / 2 };
}

/* How nodes hang together: for each, what it waits for and what waits for it. */
function neighbours(count, edges) {
  const before = Array.from({ length: count }, () => []);
  const after = Array.from({ length: count }, () => []);
  for (const { ends } of edges) {
    before[ends[1]].push(ends[0]);
    after[ends[0]].push(ends[1]);
  }
  return { before, after };
}

function reached(start, next) {
  const found = new Set([start]);
  const todo = [start];
  while (todo.length) {
    for (const node of next[todo.pop()]) {
      if (!found.has(node)) {
        found.add(node);
        todo.push(node);
      }
    }
  }
  return found;
}
