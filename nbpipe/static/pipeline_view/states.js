/* How the steps stand: what the kernel has told, and how it is put into words.
 *
 * The kernel tells what has changed and nothing else; how long a running step has been running is
 * counted here, from when it was told of.
 */

const NOTHING = {};

class States {
  constructor(model) {
    this.model = model;
    this.told = new Map(); // since when a step runs, by the page's own clock
    this.runBegan = null;
    for (const [node, state] of Object.entries(this.states())) this.note(node, state);
    this.noteRun();
  }

  states() {
    return this.model.get("states") ?? NOTHING;
  }

  scene() {
    return this.model.get("scene") ?? NOTHING;
  }

  run() {
    return this.model.get("run") ?? NOTHING;
  }

  /* Take in what has changed; what is given is kept, so that a view opened later sees it too. */
  take(changed) {
    const states = this.states();
    for (const [node, state] of Object.entries(changed)) {
      states[node] = state;
      this.note(node, state);
    }
  }

  note(node, state) {
    if (state.elapsed === undefined) this.told.delete(Number(node));
    else this.told.set(Number(node), performance.now() - state.elapsed * 1000);
  }

  noteRun() {
    const { elapsed } = this.run();
    this.runBegan = elapsed === undefined || elapsed === null ? null : performance.now() - elapsed * 1000;
  }

  looks(status) {
    if (!status) return ["", "", 0];
    return this.scene().looks?.[status] ?? ["•", status, 0];
  }

  of(node) {
    return this.states()[node] ?? NOTHING;
  }

  elapsed(node) {
    const since = this.told.get(node);
    return since === undefined ? null : Math.max(0, (performance.now() - since) / 1000);
  }

  running() {
    return [...this.told.keys()].sort((one, two) => one - two);
  }

  /* One step as it is drawn. */
  shown(node) {
    const state = this.of(node);
    return { status: state.status ?? "", sign: this.looks(state.status)[0], share: state.share };
  }

  second(node) {
    const state = this.of(node);
    const elapsed = this.elapsed(node);
    const parts = [this.looks(state.status)[1]];
    if (elapsed !== null) parts.push(state.about ? `${seconds(elapsed)} of ${state.about}` : seconds(elapsed));
    else if (state.took) parts.push(state.took);
    else if (state.about && state.status === "pending") parts.push(state.about);
    if (state.items) parts.push(state.items);
    return parts.filter(Boolean).join(" · ");
  }

  label(node) {
    const name = this.scene().nodes[node].name;
    const { share } = this.of(node);
    const far = share === undefined || share === null ? "" : `, ${Math.floor(share * 100)} %`;
    return [name, this.second(node)].filter(Boolean).join(": ") + far;
  }

  /* Several steps as one box of the overview: the weightiest speaks for all, and each is counted. */
  group(members) {
    if (members.length === 1) return { ...this.shown(members[0]), note: this.second(members[0]) };
    const counts = new Map();
    for (const node of members) {
      const { status } = this.of(node);
      if (status) counts.set(status, (counts.get(status) ?? 0) + 1);
    }
    let speaks = "";
    for (const status of counts.keys()) {
      if (!speaks || this.looks(status)[2] > this.looks(speaks)[2]) speaks = status;
    }
    const note = [...counts].map(([status, count]) => `${count} ${this.looks(status)[0] || this.looks(status)[1]}`).join("  ");
    return { status: speaks, sign: this.looks(speaks)[0], share: null, note: note || "press to see them" };
  }

  /* The run, or the graph, in a few words: how it stands, how far it is and how long it takes. */
  summary() {
    const run = this.run();
    const nodes = this.scene().nodes ?? [];
    if (!run.status) return `${nodes.length.toLocaleString()} ${nodes.length === 1 ? "step" : "steps"}${run.note ? ` · ${run.note}` : ""}`;
    let [done, failed] = [0, 0];
    nodes.forEach((node, number) => {
      const { status } = this.of(number);
      if (status && status !== "pending" && status !== "running") done += 1;
      if (status === "failed") failed += 1;
    });
    const parts = [`${done.toLocaleString()} of ${nodes.length.toLocaleString()} done`];
    if (failed) parts.push(`${failed.toLocaleString()} failed`);
    if (this.runBegan !== null && run.live) {
      const so_far = Math.max(0, (performance.now() - this.runBegan) / 1000);
      parts.push(run.about ? `${seconds(so_far)} of ${run.about}` : seconds(so_far));
    } else if (run.took) parts.push(run.took);
    if (run.note) parts.push(run.note);
    return parts.join(" · ");
  }
}
