/* The drawing: boxes and edges of one level of a graph, of which only what is in view is drawn.
 *
 * From afar, where no letter could be read, all boxes of one look are a single shape, so that a
 * page with thousands of them stays as quick as with ten.
 */

const FAR = 0.34; // below this scale letters are not drawn
const READABLE = 0.5; // a graph that fits at this scale or a larger one is shown as a whole
const FIRST = 0.7; // the scale at which one begins that does not
const MANY = 2000;
const LEAST = 0.015;
const MOST = 2.5;
const ROOM = 0.5; // how much of the view is drawn around it, so that a small move draws nothing
const LETTER = 5.9; // the width of a letter of the second line

class Canvas {
  /* `told` has: state(node) of a node, note(node) its second line, label(node) in words,
   * pick(node) when one is pressed, moved() when the view was moved by hand. */
  constructor(told) {
    this.told = told;
    this.level = null;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.drawn = new Map();
    this.active = 0;
    this.marked = null;
    this.found = null;
    this.selected = -1;
    this.covered = null;
    this.moved = false;
    const tip = svg("path", { d: "M0 0 L8 4 L0 8 z", class: "nbp-tip" });
    this.arrow = `nbp-arrow-${Math.random().toString(36).slice(2)}`;
    const box = { refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, viewBox: "0 0 8 8" };
    const head = svg("marker", { id: this.arrow, markerUnits: "userSpaceOnUse", orient: "auto", ...box }, tip);
    this.edges = svg("g", { "aria-hidden": "true" });
    this.far = svg("g", { "aria-hidden": "true" });
    this.boxes = svg("g");
    this.ground = svg("g", {}, this.edges, this.far, this.boxes);
    this.svg = svg("svg", { class: "nbp-canvas", role: "group" }, svg("defs", {}, head), this.ground);
    this.map = new SmallMap(this);
    this.svg.addEventListener("pointerdown", (event) => this.grab(event));
    this.svg.addEventListener("click", (event) => this.press(event));
    this.svg.addEventListener("wheel", (event) => this.roll(event), { passive: false });
  }

  /* Show a level: the steps themselves, or the overview. */
  show(level) {
    this.level = level;
    this.drawn.clear();
    this.boxes.replaceChildren();
    this.edges.replaceChildren();
    this.far.replaceChildren();
    this.active = Math.min(this.active, Math.max(level.nodes.length - 1, 0));
    level.paths ??= level.edges.map((edge) => edgePath(edge.points, level.down));
    level.extents ??= level.edges.map((edge) => extent(edge.points));
    level.links ??= neighbours(level.nodes.length, level.edges);
    this.covered = null;
    this.map.colour();
  }

  /* Its size as it was when it last changed: while a theme is exchanged, a page has for a moment no layout at all. */
  size() {
    return this.room ?? { width: 1, height: 1 };
  }

  measure() {
    const box = this.svg.getBoundingClientRect();
    this.room = { width: box.width || 1, height: box.height || 1 };
  }

  fitting(box) {
    const { width, height } = this.size();
    const wide = box.right - box.left;
    const high = box.bottom - box.top;
    return Math.max(LEAST, Math.min(width / Math.max(wide, 1), height / Math.max(high, 1), 1));
  }

  look(box, scale) {
    const { width, height } = this.size();
    this.scale = Math.max(LEAST, Math.min(scale ?? this.fitting(box), MOST));
    this.x = width / 2 - ((box.left + box.right) / 2) * this.scale;
    this.y = height / 2 - ((box.top + box.bottom) / 2) * this.scale;
    this.place();
  }

  fit() {
    this.look({ left: 0, top: 0, right: this.level.width, bottom: this.level.height });
  }

  /* As it is first seen: all of it if it can be read, else as much of its beginning as can. */
  begin() {
    const whole = { left: 0, top: 0, right: this.level.width, bottom: this.level.height };
    if (this.fitting(whole) >= READABLE) return this.look(whole);
    const { width, height } = this.size();
    const first = this.level.nodes.reduce((best, box, node) => {
      const other = this.level.nodes[best];
      return (this.level.down ? box.y < other.y : box.x < other.x) ? node : best;
    }, 0);
    const box = this.level.nodes[first];
    this.scale = FIRST;
    this.x = this.level.down ? width / 2 - (box.x + box.w / 2) * FIRST : 10 - box.x * FIRST;
    this.y = this.level.down ? 10 - box.y * FIRST : height / 2 - (box.y + box.h / 2) * FIRST;
    return this.place();
  }

  /* Let the middle of the view, or the point under the pointer, stay where it is. */
  zoom(scale, at) {
    const { width, height } = this.size();
    const point = at ?? { x: width / 2, y: height / 2 };
    const next = Math.max(LEAST, Math.min(scale, MOST));
    this.x = point.x - ((point.x - this.x) / this.scale) * next;
    this.y = point.y - ((point.y - this.y) / this.scale) * next;
    this.scale = next;
    this.place();
  }

  boxOf(nodes) {
    const around = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (const node of nodes) {
      const box = this.level.nodes[node];
      around.left = Math.min(around.left, box.x - 20);
      around.top = Math.min(around.top, box.y - 20);
      around.right = Math.max(around.right, box.x + box.w + 20);
      around.bottom = Math.max(around.bottom, box.y + box.h + 20);
    }
    return around;
  }

  /* Move as little as is needed to see a node, and so near that its name can be read. */
  reveal(node, scale) {
    const box = this.level.nodes[node];
    const { width, height } = this.size();
    if (scale) return this.look(this.boxOf([node]), scale);
    if (this.scale < FAR) return this.look(this.boxOf([node]), 0.8);
    const left = box.x * this.scale + this.x;
    const top = box.y * this.scale + this.y;
    const [wide, high] = [box.w * this.scale, box.h * this.scale];
    const dx = left < 10 ? 10 - left : left + wide > width - 10 ? width - 10 - left - wide : 0;
    const dy = top < 10 ? 10 - top : top + high > height - 10 ? height - 10 - top - high : 0;
    if (dx || dy) {
      this.x += dx;
      this.y += dy;
      this.place();
    }
    return undefined;
  }

  place() {
    this.ground.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.scale})`);
    this.svg.classList.toggle("nbp-far", this.scale < FAR);
    this.map.place();
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  seen() {
    const { width, height } = this.size();
    const [left, top] = [-this.x / this.scale, -this.y / this.scale];
    return { left, top, right: left + width / this.scale, bottom: top + height / this.scale };
  }

  /* Draw what has come into view, and drop what has left it. */
  draw() {
    if (!this.level) return;
    const view = this.seen();
    const isFar = this.scale < FAR;
    const known = this.covered;
    if (
      known && known.isFar === isFar &&
      (isFar || (view.left >= known.left && view.top >= known.top && view.right <= known.right && view.bottom <= known.bottom))
    ) {
      return;
    }
    const [dx, dy] = [(view.right - view.left) * ROOM, (view.bottom - view.top) * ROOM];
    const area = { left: view.left - dx, top: view.top - dy, right: view.right + dx, bottom: view.bottom + dy, isFar };
    this.covered = area;
    if (isFar) this.drawFar();
    else this.drawNear(area);
  }

  drawNear(area) {
    this.far.replaceChildren();
    const wanted = new Set([this.active]);
    if (this.selected >= 0 && this.selected < this.level.nodes.length) wanted.add(this.selected);
    this.level.nodes.forEach((box, node) => {
      if (box.x < area.right && box.x + box.w > area.left && box.y < area.bottom && box.y + box.h > area.top) wanted.add(node);
    });
    this.keep(wanted);
    const lines = [];
    this.level.edges.forEach((edge, number) => {
      const box = this.level.extents[number];
      if (box.left < area.right && box.right > area.left && box.top < area.bottom && box.bottom > area.top) {
        lines.push(this.edge(edge, this.level.paths[number]));
        if (edge.label) lines.push(this.label(edge));
      }
    });
    this.edges.replaceChildren(...lines);
  }

  drawFar() {
    this.keep(new Set([this.active, ...(this.selected >= 0 ? [this.selected] : [])]));
    this.level.all ??= this.level.paths.join("");
    // While thousands of edges are dragged along they are left out: each frame would paint them all.
    const many = this.level.edges.length > MANY ? "nbp-many" : "";
    this.edges.replaceChildren(svg("path", { d: this.level.all, class: `nbp-edge nbp-all ${many}` }));
    this.colourFar();
  }

  /* One shape for all boxes of a look. */
  shapes() {
    const shapes = new Map();
    this.level.nodes.forEach((box, node) => {
      const kind = `${this.told.state(node).status || "none"}|${this.dims(node) ? "nbp-dim" : ""}|${this.found?.has(node) ? "nbp-found" : ""}`;
      shapes.set(kind, `${shapes.get(kind) ?? ""}M${box.x} ${box.y}h${box.w}v${box.h}h${-box.w}z`);
    });
    return [...shapes].map(([kind, d]) => {
      const [status, dim, found] = kind.split("|");
      return svg("path", { d, class: `nbp-box nbp-is-${statusClass(status)} ${dim} ${found}` });
    });
  }

  colourFar() {
    this.far.replaceChildren(...this.shapes());
  }

  keep(wanted) {
    for (const [node, part] of this.drawn) {
      // What has the focus stays: else the keys would go elsewhere.
      if (!wanted.has(node) && part !== document.activeElement) {
        part.remove();
        this.drawn.delete(node);
      }
    }
    const fresh = [];
    for (const node of wanted) {
      if (node < this.level.nodes.length && !this.drawn.has(node)) {
        const part = this.node(node);
        this.drawn.set(node, part);
        fresh.push(part);
      }
    }
    this.boxes.append(...fresh);
  }

  edge(edge, d) {
    const [tail, head] = edge.ends;
    const dim = this.dims(tail) || this.dims(head) ? "nbp-dim" : "";
    return svg("path", { d, class: `nbp-edge nbp-${edge.kind ?? "flows"} ${dim}`, "marker-end": `url(#${this.arrow})` });
  }

  label(edge) {
    const [tail, head] = edge.ends;
    const { x, y } = middleOf(edge.points, this.level.down, this.level.links.after[tail].length > 1);
    const wide = edge.label.length * 6.6 + 10;
    const dim = this.dims(tail) || this.dims(head) ? "nbp-dim" : "";
    return svg(
      "g", { class: `nbp-label ${dim}` },
      svg("rect", { x: x - wide / 2, y: y - 8, width: wide, height: 16, rx: 4 }),
      svg("text", { x, y: y + 4, "text-anchor": "middle" }, edge.label),
    );
  }

  node(node) {
    const box = this.level.nodes[node];
    const inset = box.run ? 6 : 0;
    const pile = box.times || (box.members && box.members.length > 1)
      ? [6, 3].map((by) => svg("rect", { class: "nbp-box nbp-behind", x: box.x + by, y: box.y + by, width: box.w, height: box.h, rx: 6 }))
      : [];
    const frame = { x: box.x, y: box.y, width: box.w, height: box.h, rx: box.run ? box.h / 2 : 6 };
    const part = svg(
      "g", { tabindex: node === this.active ? 0 : -1, role: "button", "data-node": node },
      svg("title"), ...pile,
      svg("rect", { class: "nbp-box nbp-front", ...frame }),
      svg("rect", { class: "nbp-bar", x: box.x + 6, y: box.y + box.h - 6, height: 3, width: 0, rx: 1.5 }),
      svg("text", { class: "nbp-sign", x: box.x + 11 + inset, y: box.y + 20 }),
      svg("text", { class: "nbp-title", x: 0, y: 0 }, box.title),
      svg("text", { class: "nbp-note", x: box.x + 29 + inset, y: box.y + 36 }),
    );
    part.addEventListener("focus", () => this.activate(node));
    this.dress(node, part);
    return part;
  }

  dims(node) {
    return (this.marked !== null && !this.marked.has(node)) || (this.found !== null && this.marked === null && !this.found.has(node));
  }

  /* Bring a node up to date: its look, its words and its bar. */
  dress(node, part = this.drawn.get(node)) {
    if (!part) return;
    const state = this.told.state(node);
    const box = this.level.nodes[node];
    const classes = ["nbp-node", `nbp-is-${statusClass(state.status)}`];
    if (node === this.selected) classes.push("nbp-selected");
    if (this.found?.has(node)) classes.push("nbp-found");
    if (this.dims(node)) classes.push("nbp-dim");
    const said = classes.join(" ");
    if (part.getAttribute("class") !== said) part.setAttribute("class", said);
    const [title, bar, sign, heading, second] = ["title", ".nbp-bar", ".nbp-sign", ".nbp-title", ".nbp-note"].map((name) => part.querySelector(name));
    const label = this.told.label(node);
    if (part.getAttribute("aria-label") !== label) {
      part.setAttribute("aria-label", label);
      title.textContent = label;
    }
    const note = this.told.note(node);
    write(sign, state.sign);
    write(second, cut(note, (box.w - 38 - (box.run ? 12 : 0)) / LETTER));
    // Where there is no sign and no second line, none is made room for.
    heading.setAttribute("x", box.x + (state.sign ? 29 : 11) + (box.run ? 6 : 0));
    heading.setAttribute("y", box.y + (note ? 20 : box.h / 2 + 5));
    bar.setAttribute("width", state.share === null || state.share === undefined ? 0 : Math.max(0, Math.min(1, state.share)) * (box.w - 12));
  }

  /* Bring these nodes up to date, or all that are drawn. */
  refresh(nodes) {
    if (!this.level) return;
    if (this.scale < FAR) this.colourFar();
    this.map.soon();
    for (const node of nodes ?? this.drawn.keys()) this.dress(node);
  }

  /* What is dimmed has changed: edges too are drawn anew. */
  remark() {
    if (!this.level) return;
    this.covered = null;
    this.refresh();
    this.draw();
  }

  activate(node) {
    const former = this.drawn.get(this.active);
    if (former) former.setAttribute("tabindex", "-1");
    this.active = node;
    this.drawn.get(node)?.setAttribute("tabindex", "0");
  }

  focus(node) {
    if (node < 0 || node >= this.level.nodes.length) return;
    this.activate(node);
    this.reveal(node);
    this.keep(new Set([...this.drawn.keys(), node]));
    const part = this.drawn.get(node);
    part.setAttribute("tabindex", "0");
    part.focus({ preventScroll: true });
  }

  /* The nearest node in a direction: straight ahead rather than aside. */
  beside(node, dx, dy) {
    const from = this.level.nodes[node];
    const [x, y] = [from.x + from.w / 2, from.y + from.h / 2];
    let [best, least] = [-1, Infinity];
    this.level.nodes.forEach((box, other) => {
      if (other === node) return;
      const [ahead, aside] = dx
        ? [(box.x + box.w / 2 - x) * dx, Math.abs(box.y + box.h / 2 - y)]
        : [(box.y + box.h / 2 - y) * dy, Math.abs(box.x + box.w / 2 - x)];
      const weight = ahead + 2 * aside;
      if (ahead > 4 && weight < least) [best, least] = [other, weight];
    });
    return best;
  }

  press(event) {
    if (this.dragged) return;
    const part = event.target.closest("[data-node]");
    const node = part ? Number(part.dataset.node) : this.scale < FAR ? this.at(event) : -1;
    if (node >= 0) this.told.pick(node);
  }

  /* Which box is under the pointer, where boxes are no elements of their own. */
  at(event) {
    const box = this.svg.getBoundingClientRect();
    const x = (event.clientX - box.left - this.x) / this.scale;
    const y = (event.clientY - box.top - this.y) / this.scale;
    const slack = 6 / this.scale;
    return this.level.nodes.findIndex((one) => x > one.x - slack && x < one.x + one.w + slack && y > one.y - slack && y < one.y + one.h + slack);
  }

  grab(event) {
    if (event.button !== 0) return;
    this.dragged = false;
    const from = { x: event.clientX, y: event.clientY, left: this.x, top: this.y };
    const move = (now) => {
      const [dx, dy] = [now.clientX - from.x, now.clientY - from.y];
      if (!this.dragged && Math.hypot(dx, dy) < 4) return;
      if (!this.dragged) {
        this.dragged = true;
        this.svg.setPointerCapture(event.pointerId);
        this.svg.classList.add("nbp-dragged");
      }
      this.x = from.left + dx;
      this.y = from.top + dy;
      this.place();
      this.told.moved();
    };
    const end = () => {
      this.svg.removeEventListener("pointermove", move);
      this.svg.removeEventListener("pointerup", end);
      this.svg.removeEventListener("pointercancel", end);
      this.svg.classList.remove("nbp-dragged");
      // The click that follows belongs to the drag.
      setTimeout(() => { this.dragged = false; });
    };
    this.svg.addEventListener("pointermove", move);
    this.svg.addEventListener("pointerup", end);
    this.svg.addEventListener("pointercancel", end);
  }

  roll(event) {
    // The wheel alone scrolls the notebook.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const box = this.svg.getBoundingClientRect();
    const step = Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) * 0.006);
    this.zoom(this.scale * step, { x: event.clientX - box.left, y: event.clientY - box.top });
    this.told.moved();
  }
}

/* The whole in a corner, with a frame around what is in view; a press goes there. */
class SmallMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.shapes = svg("g");
    this.frame = svg("rect", { class: "nbp-frame" });
    this.svg = svg("svg", { class: "nbp-map", "aria-hidden": "true" }, this.shapes, this.frame);
    this.svg.addEventListener("click", (event) => this.go(event));
  }

  colour() {
    const { width, height } = this.canvas.level;
    const scale = Math.min(150 / width, 110 / height);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("width", Math.max(width * scale, 24));
    this.svg.setAttribute("height", Math.max(height * scale, 24));
    this.frame.setAttribute("stroke-width", 2 / scale);
    this.shapes.replaceChildren(...this.canvas.shapes());
  }

  /* Colours may wait: there are news ten times a second. */
  soon() {
    if (this.waiting || this.svg.style.display === "none") return;
    this.waiting = setTimeout(() => {
      this.waiting = 0;
      if (this.canvas.level) this.colour();
    }, 700);
  }

  place() {
    const { level } = this.canvas;
    const view = this.canvas.seen();
    const isWhole = view.left <= 0 && view.top <= 0 && view.right >= level.width && view.bottom >= level.height;
    const wasHidden = this.svg.style.display === "none";
    this.svg.style.display = isWhole || level.nodes.length < 12 ? "none" : "";
    if (wasHidden && this.svg.style.display === "") this.soon();
    this.frame.setAttribute("x", view.left);
    this.frame.setAttribute("y", view.top);
    this.frame.setAttribute("width", view.right - view.left);
    this.frame.setAttribute("height", view.bottom - view.top);
  }

  go(event) {
    const box = this.svg.getBoundingClientRect();
    const { level } = this.canvas;
    const x = ((event.clientX - box.left) / box.width) * level.width;
    const y = ((event.clientY - box.top) / box.height) * level.height;
    this.canvas.look({ left: x, right: x, top: y, bottom: y }, this.canvas.scale);
    this.canvas.told.moved();
  }
}

function statusClass(status) {
  return /^[a-z ]+$/.test(status || "") ? status.replaceAll(" ", "-") : "none";
}

function write(part, text) {
  if (part.textContent !== text) part.textContent = text;
}

function cut(text, most) {
  return text.length <= most ? text : `${text.slice(0, Math.max(Math.floor(most) - 1, 1))}…`;
}
