/* Writes a cell into the notebook that this widget lives in.
 *
 * What a kernel can ask of a front end about new cells it can ask only at the end of a cell, not when a button
 * is pressed. The widget manager of JupyterLab and Jupyter Notebook knows the notebook's own model, and that can take
 * a cell at any time; a page that has no such model says so, and the text is there to be copied.
 *
 * It shows nothing itself.
 */

const VIEW = "application/vnd.jupyter.widget-view+json";

function placeOf(cells, shown) {
  for (let index = 0; index < cells.length; index += 1) {
    const outputs = cells.get(index).outputs?.toJSON?.() ?? [];
    if (outputs.some((output) => output.data?.[VIEW]?.model_id === shown)) return index;
  }
  return -1;
}

function write(model, { text, shown, former }) {
  const notebook = model.widget_manager?.context?.model;
  const shared = notebook?.sharedModel;
  if (!notebook?.cells || typeof shared?.insertCell !== "function") {
    return { do: "refused", why: "" };
  }
  if (notebook.readOnly) return { do: "refused", why: "the notebook is read-only" };
  const written = former && shared.cells.find((cell) => cell.id === former.id);
  // A cell that somebody has changed since is theirs.
  if (written && written.source === former.text) {
    written.setSource(text);
    return { do: "written", id: former.id, where: "again" };
  }
  const place = placeOf(notebook.cells, shown);
  const index = place < 0 ? notebook.cells.length : place + 1;
  // It has no outputs, and who pressed the button reads it before running it, as with any new cell; one that is not
  // trusted would take the trust from the whole notebook when it is saved.
  const made = shared.insertCell(index, { cell_type: "code", source: text, metadata: { trusted: true } });
  return { do: "written", id: made.id, where: place < 0 ? "at the end" : "below" };
}

export default {
  // Not where it is rendered: a widget that is shown twice still writes one cell.
  initialize({ model }) {
    const onMessage = (message) => {
      if (message?.do !== "write") return;
      let answer;
      try {
        answer = write(model, message);
      } catch (error) {
        answer = { do: "refused", why: String(error) };
      }
      model.send({ ...answer, text: message.text });
    };
    model.on("msg:custom", onMessage);
    return () => model.off("msg:custom", onMessage);
  },
};
