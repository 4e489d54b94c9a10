/* The view of a pipeline or a run: the drawing with its tools, the card beside it, what runs below.
 *
 * Keys: Tab reaches the tools, the drawing and the card. In the drawing arrows move between steps,
 * Home and End to the first and the last, Enter or Space opens a step's card, + and - zoom, 0 fits,
 * / searches, Escape closes the card and then goes back to the notebook.
 */

const HIGHEST = 460;
const LOWEST = 96;
const PATIENCE_MS = 1800; // how long the kernel may take to answer before that is said
const HEARING_MS = 200; // how long a Stop may stay unheard before the kernel is interrupted, unless it is known to hear nothing
const MOST_RUNNING = 4;
const FOCUSES = [["", "all steps"], ["ancestors", "what it waits for"], ["descendants", "what waits for it"], ["both", "both ways"]];

class View {
  constructor(model, el, states) {
    this.model = model;
    this.states = states;
    this.wanted = null; // the card that is waited for
    this.shownCard = null;
    this.isMine = true; // nobody has moved the drawing yet: it may fit itself
    this.canvas = new Canvas({
      state: (node) => this.stateOf(node),
      note: (node) => this.noteOf(node),
      label: (node) => this.labelOf(node),
      pick: (node) => this.pick(node),
      moved: () => this.movedByHand(),
    });
    this.build(el);
    this.listen();
    this.layOut();
  }

  // What is drawn ------------------------------------------------------------------------------

  get scene() {
    return this.states.scene();
  }

  get folded() {
    return Boolean(this.model.get("folded") && this.scene.overview);
  }

  stateOf(node) {
    return this.folded ? this.states.group(this.canvas.level.nodes[node].members) : this.states.shown(node);
  }

  noteOf(node) {
    return this.folded ? this.states.group(this.canvas.level.nodes[node].members).note : this.states.second(node);
  }

  labelOf(node) {
    if (!this.folded) return this.states.label(node);
    const { members, name } = this.canvas.level.nodes[node];
    return `${name}: ${this.states.group(members).note}`;
  }

  build(el) {
    const title = html("b", { class: "nbp-name" });
    this.pill = html("span", { class: "nbp-pill" });
    this.title = title;
    this.summary = html("span", { class: "nbp-summary" });
    this.stopButton = button("■ Stop", "stop the run", () => this.stop(), { class: "nbp-stop" });
    this.search = html("input", { type: "search", class: "nbp-search", placeholder: "find a step", "aria-label": "find a step by name", spellcheck: "false" });
    this.matches = html("span", { class: "nbp-matches", "aria-live": "polite" });
    this.focusing = html("select", { class: "nbp-focus", "aria-label": "show only what belongs to the chosen step" });
    for (const [value, said] of FOCUSES) this.focusing.append(html("option", { value }, said));
    this.foldButton = button("Unfold", "show every step", () => this.fold(!this.folded), { class: "nbp-fold" });
    this.cardButton = button("Details", "show the card of the whole", () => this.pick(-1), { class: "nbp-details", "aria-expanded": "false" });
    const zooms = [
      button("−", "zoom out", () => this.zoomBy(1 / 1.3)),
      button("+", "zoom in", () => this.zoomBy(1.3)),
      button("Fit", "fit the graph into the view", () => this.fit()),
    ];
    const left = html("div", { class: "nbp-said-run" }, this.pill, title, this.summary, this.stopButton);
    const right = html("div", { class: "nbp-tools" }, this.search, this.matches, this.focusing, this.foldButton, ...zooms, this.cardButton);
    this.card = html("div", { class: "nbp-card" });
    this.closeButton = button("×", "close the card", () => this.close(), { class: "nbp-close" });
    this.panel = html("div", { class: "nbp-panel", role: "region", "aria-label": "card", tabindex: "-1", hidden: true }, this.closeButton, this.card);
    this.stage = html("div", { class: "nbp-stage" }, this.canvas.svg, this.canvas.map.svg);
    this.now = html("div", { class: "nbp-now", hidden: true });
    this.message = html("div", { class: "nbp-message", role: "status" });
    this.root = html(
      "div", { class: "nbp-view", "data-lm-suppress-shortcuts": "true", role: "group", "aria-label": "pipeline" },
      html("div", { class: "nbp-head" }, left, right),
      html("div", { class: "nbp-body" }, this.stage, this.panel),
      this.now, this.message,
    );
    el.replaceChildren(this.root);
  }

  listen() {
    const on = (name, act) => {
      this.model.on(name, act);
      this.ends.push(() => this.model.off(name, act));
    };
    this.ends = [];
    on("change:scene", () => this.layOut());
    on("change:states", () => this.refresh());
    on("change:run", () => { this.states.noteRun(); this.refresh(); });
    on("change:selected", () => this.chosen());
    on("change:query", () => this.find());
    on("change:focus", () => this.find());
    on("change:folded", () => this.layOut());
    on("change:zoom", () => this.zoomed());
    on("change:message", () => this.tell());
    on("msg:custom", (message) => this.hear(message));
    this.search.addEventListener("input", () => this.set("query", this.search.value));
    this.focusing.addEventListener("change", () => this.set("focus", this.focusing.value));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.clock = setInterval(() => this.tick(), 1000);
    this.watching = new ResizeObserver(() => this.resized());
    this.watching.observe(this.stage);
    this.ends.push(() => clearInterval(this.clock), () => this.watching.disconnect());
    this.watchKernel();
  }

  end() {
    for (const act of this.ends) act();
  }

  set(name, value) {
    if (this.model.get(name) === value) return;
    this.model.set(name, value);
    // At once: what was said while the kernel is at work waits there as one message, and what is not said yet would be
    // overwritten by the kernel's answer to what was.
    if (!this.isGone()) this.model.save_changes();
  }

  layOut() {
    const { scene } = this;
    if (!scene.nodes) return;
    const level = this.folded ? scene.overview : scene;
    const isOther = this.canvas.level !== level;
    const former = this.canvas.level;
    this.canvas.selected = this.folded ? -1 : this.model.get("selected");
    if (isOther) {
      this.canvas.show(level);
      this.links = neighbours(scene.nodes.length, scene.edges);
    }
    this.canvas.svg.setAttribute("aria-label", scene.said);
    this.root.setAttribute("aria-label", scene.said);
    // A graph that runs to the right is low: its card stands below it, and not beside.
    this.root.classList.toggle("nbp-low", !level.down);
    this.find();
    if (isOther && (this.isMine || !former || former.nodes.length !== level.nodes.length)) {
      this.isMine = true;
      this.resized();
    } else {
      this.canvas.place();
    }
    this.refresh();
    this.chosen();
  }

  resized() {
    const level = this.canvas.level;
    const wide = this.stage.clientWidth;
    if (!level || !wide) return;
    const high = Math.max(LOWEST, Math.min(level.height * Math.min(1, wide / level.width) + 2, HIGHEST));
    const room = this.panel.hidden || !level.down ? high : Math.max(high, 340);
    this.stage.style.height = `${Math.round(room)}px`;
    this.panel.style.maxHeight = `${Math.round(Math.max(room, 340))}px`;
    this.canvas.measure();
    this.canvas.covered = null;
    const zoom = this.model.get("zoom");
    if (!this.isMine) this.canvas.place();
    else if (zoom > 0) this.canvas.zoom(zoom);
    else if (this.isWhole) this.canvas.fit();
    else this.canvas.begin();
    this.follow();
  }

  /* Bring what is shown up to date; of the steps only those that have changed, if it is said which. */
  refresh(changed) {
    const run = this.states.run();
    const [sign, word] = this.states.looks(run.status);
    write(this.pill, `${sign} ${word}`.trim());
    this.pill.className = `nbp-pill nbp-is-${statusClass(run.status)}`;
    this.pill.hidden = !run.status;
    write(this.title, this.scene.name ?? "");
    write(this.summary, this.states.summary());
    this.stopButton.hidden = !run.live;
    this.stopButton.disabled = Boolean(run.stopping) || this.isStopping;
    write(this.stopButton, run.stopping || this.isStopping ? "Stopping…" : "■ Stop");
    this.foldButton.hidden = !this.scene.overview;
    write(this.foldButton, this.folded ? "Unfold" : "Fold");
    this.foldButton.title = this.folded ? "show every step" : "put steps that belong together into one box";
    this.foldButton.setAttribute("aria-label", this.foldButton.title);
    if (this.folded) this.canvas.refresh();
    else this.canvas.refresh(changed);
    this.showRunning();
    this.showFacts();
    this.follow();
  }

  tick() {
    if (!this.states.told.size && !this.states.run().live) return;
    this.canvas.refresh(this.folded ? undefined : this.states.running());
    write(this.summary, this.states.summary());
    this.showRunning();
    this.showFacts();
  }

  /* The steps that run, in small: how far they are, what they are at, what they printed last. */
  showRunning() {
    const running = this.states.running();
    const rows = running.slice(0, MOST_RUNNING).map((node) => {
      const state = this.states.of(node);
      const share = state.share ?? null;
      const percent = share === null ? null : Math.floor(share * 100);
      const bar = share === null ? null : html("span", { class: "nbp-progress", "aria-hidden": "true" }, html("span", { style: `width:${percent}%` }));
      const said = [seconds(this.states.elapsed(node)) + (state.about ? ` of ${state.about}` : ""), state.said].filter(Boolean).join(" · ");
      return html(
        "div", { class: "nbp-running" },
        html("b", {}, `${this.states.looks("running")[0]} ${this.scene.nodes[node]?.name ?? ""}`), bar,
        html("span", {}, said), html("code", {}, state.line ?? ""),
      );
    });
    if (running.length > rows.length) rows.push(html("div", {}, `… and ${(running.length - rows.length).toLocaleString()} more that run`));
    // It does not get smaller while the run goes on: what stands below should not jump.
    this.now.hidden = !this.states.run().live && !rows.length;
    this.now.replaceChildren(...rows);
    if (!this.now.hidden) {
      this.most = Math.max(this.most ?? 1, rows.length);
      this.now.style.minHeight = `${this.most * 38}px`;
    }
  }

  // What is pressed ----------------------------------------------------------------------------

  pick(node) {
    if (node >= 0 && this.folded) {
      const { members } = this.canvas.level.nodes[node];
      this.canvas.active = 0;
      this.set("folded", false);
      this.layOut();
      this.isMine = false;
      if (members.length === 1) return this.pick(members[0]);
      this.canvas.look(this.canvas.boxOf(members));
      this.canvas.activate(members[0]);
      return undefined;
    }
    if (node >= 0) this.canvas.activate(node);
    const isSame = this.model.get("selected") === node && !this.panel.hidden;
    this.set("selected", node);
    this.openPanel();
    if (!isSame) this.chosen();
    return undefined;
  }

  close() {
    this.panel.hidden = true;
    this.root.classList.remove("nbp-open");
    this.cardButton.setAttribute("aria-expanded", "false");
    this.wanted = null;
    this.shownCard = null;
    this.set("selected", -1);
    this.chosen();
    this.resized();
    this.canvas.focus(this.canvas.active);
  }

  openPanel() {
    if (!this.panel.hidden) return;
    this.panel.hidden = false;
    this.root.classList.add("nbp-open");
    this.cardButton.setAttribute("aria-expanded", "true");
    this.resized();
  }

  /* Another step was chosen, here or in Python. */
  chosen() {
    const node = this.model.get("selected");
    const former = this.canvas.selected;
    this.canvas.selected = this.folded ? -1 : node;
    if (node >= 0 && this.panel.hidden) this.openPanel();
    if (former !== node) {
      this.find();
      if (node >= 0 && !this.folded) {
        this.canvas.activate(node);
        this.canvas.reveal(node);
      }
    }
    this.canvas.refresh([former, node].filter((one) => one >= 0));
    if (!this.panel.hidden) this.ask(node);
  }

  /* Ask for a card. One question at a time: of those who click through a graph only the last one is answered. */
  ask(node) {
    if (node !== this.asked) this.isQuiet = false;
    this.asked = node;
    if (this.shownCard === node || this.wanted === node) return;
    const isAsked = this.wanted !== null && !this.isGone();
    this.wanted = node;
    // A card that is only brought up to date stays until the new one is there.
    this.showFacts(true);
    if (!isAsked) this.send(node);
  }

  send(node) {
    clearTimeout(this.late);
    if (this.isGone()) {
      this.showFacts(true, this.whySilent());
      return;
    }
    this.model.send({ do: "card", node });
    if (this.states.run().deaf) this.showFacts(true, this.whySilent());
    else this.late = setTimeout(() => this.showFacts(true, this.whySilent()), PATIENCE_MS);
  }

  /* Why no card comes. */
  whySilent() {
    if (this.isGone()) return "There is no kernel to ask for more.";
    return this.states.run().blocking ? "The kernel is at work in this cell; the rest comes when it is done." : "The kernel does not answer yet.";
  }

  /* What is known here of the chosen step, until its card comes. */
  showFacts(isNew = false, why = "") {
    if (this.panel.hidden || this.isQuiet || this.wanted === null) return;
    const node = this.wanted;
    const facts = node < 0 ? [html("b", {}, this.scene.name), this.states.summary()] : [html("b", {}, this.scene.nodes[node].name), this.noteInFull(node)];
    if (isNew || why) this.reason = why;
    const lines = facts.map((fact) => html("div", {}, fact));
    if (this.reason) lines.push(html("div", { class: "nbp-why" }, this.reason));
    this.card.replaceChildren(...lines);
    this.panel.setAttribute("aria-label", node < 0 ? "card of the whole" : `card of ${this.scene.nodes[node].name}`);
  }

  noteInFull(node) {
    const state = this.states.of(node);
    return [this.states.second(node), state.said, state.why].filter(Boolean).join(" · ");
  }

  hear(message) {
    if (message?.do === "states") {
      const changed = Object.keys(message.nodes).map(Number);
      this.refresh(changed);
      if (changed.includes(this.shownCard) && this.states.of(this.shownCard).status !== this.cardStatus) this.askAgain();
    }
    else if (message?.do === "heard") clearTimeout(this.unheard);
    else if (message?.do === "card") this.showCard(message);
  }

  /* The step of the card stands otherwise now: it has run. */
  askAgain() {
    const node = this.shownCard;
    this.shownCard = null;
    this.isQuiet = true;
    this.ask(node);
  }

  showCard({ node, html: text }) {
    clearTimeout(this.late);
    if (this.wanted === null || this.panel.hidden) return;
    if (this.wanted !== node) return this.send(this.wanted);
    this.wanted = null;
    this.isQuiet = false;
    this.shownCard = node;
    this.cardStatus = this.states.of(node).status;
    this.reason = "";
    // Python has written it, everything in it escaped.
    this.card.innerHTML = text;
    this.panel.scrollTop = 0;
    for (const part of this.card.querySelectorAll("pre, div[style*='overflow']")) {
      if (part.scrollHeight > part.clientHeight || part.scrollWidth > part.clientWidth) part.setAttribute("tabindex", "0");
    }
    return undefined;
  }

  stop() {
    this.isStopping = true;
    this.model.send({ do: "stop" });
    // A cell that waits for its run hears no press; the kernel's interrupt reaches it. Any other cell is left alone.
    if (this.states.run().deaf) this.interrupt();
    else this.unheard = setTimeout(() => this.interrupt(), HEARING_MS);
    this.refresh([]);
  }

  interrupt() {
    const kernel = this.kernel();
    if (this.states.run().blocking && kernel?.interrupt) kernel.interrupt();
    else this.tell("The kernel is at work and has not heard it yet; its own Interrupt button reaches it at once.");
  }

  // Finding, focus, zoom -----------------------------------------------------------------------

  find() {
    const query = (this.model.get("query") ?? "").trim().toLowerCase();
    if (this.search.value.trim().toLowerCase() !== query) this.search.value = this.model.get("query");
    const focus = this.model.get("focus") ?? "";
    const chosen = this.model.get("selected");
    this.focusing.value = focus;
    this.focusing.disabled = chosen < 0;
    const { nodes } = this.scene;
    const hits = query ? nodes.flatMap((node, number) => (node.name.toLowerCase().includes(query) ? [number] : [])) : null;
    let marked = null;
    if (focus && chosen >= 0 && chosen < nodes.length) {
      const parts = [];
      if (focus !== "descendants") parts.push(...reached(chosen, this.links.before));
      if (focus !== "ancestors") parts.push(...reached(chosen, this.links.after));
      marked = new Set(parts);
    }
    this.hits = hits;
    const asLevel = (found) => {
      if (!found || !this.folded) return found ? new Set(found) : null;
      const wanted = new Set(found);
      return new Set(this.canvas.level.nodes.flatMap((box, group) => (box.members.some((one) => wanted.has(one)) ? [group] : [])));
    };
    this.canvas.found = asLevel(hits);
    this.canvas.marked = asLevel(marked);
    write(this.matches, hits ? `${hits.length.toLocaleString()} found` : "");
    this.canvas.remark();
  }

  /* Go to the next step that was found. */
  next(by) {
    if (!this.hits?.length) return;
    if (this.folded) {
      this.set("folded", false);
      this.layOut();
      this.isMine = false;
    }
    const at = this.hits.indexOf(this.canvas.active);
    const node = this.hits[(at + by + this.hits.length) % this.hits.length] ?? this.hits[0];
    this.movedByHand();
    this.canvas.activate(node);
    this.canvas.reveal(node);
    this.canvas.keep(new Set([...this.canvas.drawn.keys(), node]));
    this.pick(node);
  }

  fold(isFolded) {
    this.isMine = true;
    this.isWhole = false;
    this.set("zoom", 0);
    this.set("folded", isFolded);
    this.layOut();
  }

  fit() {
    this.isMine = true;
    this.isWhole = true;
    this.set("zoom", 0);
    this.resized();
  }

  /* What runs is kept in view, as long as nobody has looked elsewhere. */
  follow() {
    if (!this.isMine || this.isWhole || this.folded || !this.panel.hidden) return;
    const running = this.states.running();
    if (running.length && this.canvas.scale >= FAR) this.canvas.reveal(running[0]);
  }

  zoomBy(factor) {
    this.canvas.zoom(this.canvas.scale * factor);
    this.movedByHand();
  }

  movedByHand() {
    this.isMine = false;
    const scale = Math.round(this.canvas.scale * 1000) / 1000;
    if (Math.abs(scale - this.model.get("zoom")) > 0.001) this.set("zoom", scale);
  }

  zoomed() {
    const zoom = this.model.get("zoom");
    if (Math.abs(zoom - this.canvas.scale) < 0.002) return;
    if (zoom > 0) this.canvas.zoom(zoom);
    else if (!this.isMine) this.fit();
  }

  key(event) {
    // Else the notebook would take the key for one of its own commands.
    event.stopPropagation();
    const isDrawing = this.canvas.svg.contains(event.target);
    if (event.key === "Escape") this.escape(event);
    else if (event.target === this.search && event.key === "Enter") this.next(event.shiftKey ? -1 : 1);
    else if (isDrawing && !event.ctrlKey && !event.metaKey && !event.altKey) this.keyInDrawing(event);
  }

  escape(event) {
    event.preventDefault();
    if (event.target === this.search && this.search.value) this.set("query", "");
    else if (!this.panel.hidden) return this.close();
    else {
      document.activeElement?.blur();
      return this.root.closest(".jp-Notebook")?.focus();
    }
    return this.find();
  }

  keyInDrawing(event) {
    const node = this.canvas.active;
    const last = this.canvas.level.nodes.length - 1;
    const go = (to) => { if (to >= 0) { this.isMine = this.isMine && this.canvas.scale >= FAR; this.canvas.focus(to); } };
    const moves = {
      ArrowRight: () => go(this.canvas.beside(node, 1, 0)),
      ArrowLeft: () => go(this.canvas.beside(node, -1, 0)),
      ArrowDown: () => go(this.canvas.beside(node, 0, 1)),
      ArrowUp: () => go(this.canvas.beside(node, 0, -1)),
      Home: () => go(0),
      End: () => go(last),
      Enter: () => this.pick(node),
      " ": () => this.pick(node),
      "+": () => this.zoomBy(1.3),
      "-": () => this.zoomBy(1 / 1.3),
      0: () => this.fit(),
      "/": () => this.search.focus(),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  }

  // The kernel ---------------------------------------------------------------------------------

  kernel() {
    return this.model.widget_manager?.kernel ?? null;
  }

  isGone() {
    return this.gone || ["dead", "terminating", "restarting", "autorestarting"].includes(this.kernel()?.status);
  }

  watchKernel() {
    const changed = this.kernel()?.statusChanged;
    if (!changed?.connect) return;
    const look = (_, status) => {
      if (!["dead", "terminating", "restarting", "autorestarting"].includes(status)) return;
      this.gone = true;
      this.states.told.clear();
      this.states.runBegan = null;
      this.stopButton.hidden = true;
      this.tell("The kernel has ended or was restarted: this is how it stood then.");
      this.canvas.refresh();
    };
    changed.connect(look);
    this.ends.push(() => changed.disconnect(look));
  }

  tell(text) {
    write(this.message, text ?? this.model.get("message") ?? "");
  }
}

/* What has changed is taken in once for a model, however many views of it there are. */
export default () => {
  let states = null;
  return {
    initialize({ model }) {
      states = new States(model);
      const take = (message) => { if (message?.do === "states") states.take(message.nodes); };
      model.on("msg:custom", take);
      return () => model.off("msg:custom", take);
    },
    render({ model, el }) {
      const view = new View(model, el, states);
      view.tell();
      return () => view.end();
    },
  };
};
