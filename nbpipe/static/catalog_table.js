/* The table of the catalog browser and of the board of schedules.
 *
 * It draws the page that it is told of, and tells what was pressed; what that means is decided in
 * Python. Whatever comes from the catalog is set as text, never read as HTML.
 *
 * Keys: up, down, Home and End move between rows, left and right within one, Space selects, Enter
 * opens, PageUp and PageDown turn pages.
 */

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function sortButton(column, view, tell) {
  const isSorted = view.sort === column.name;
  const arrow = isSorted ? (view.descending ? "▼" : "▲") : "";
  const button = make("button", { type: "button", class: "nbp-sort", title: `sort by ${column.heading}`, "data-column": column.name });
  const parts = [column.heading, make("span", { class: "nbp-arrow", "aria-hidden": "true" }, arrow)];
  // The arrow's room is kept, and stands where it does not push the heading away from its column.
  button.append(...(column.align === "right" ? parts.reverse() : parts));
  button.addEventListener("click", () => tell({ do: "sort", column: column.name }));
  return button;
}

function headCell(column, view, tell) {
  const sorted = view.sort === column.name ? (view.descending ? "descending" : "ascending") : null;
  const inner = column.sortable ? sortButton(column, view, tell) : column.heading;
  return make("th", { scope: "col", class: `nbp-${column.align}`, "aria-sort": sorted }, inner);
}

function pill(cell) {
  const made = make("span", { class: "nbp-pill" }, cell.text);
  Object.assign(made.style, { backgroundColor: cell.fill, color: cell.ink, borderColor: cell.line });
  return made;
}

function chip(tag, tell) {
  const made = make("button", { type: "button", class: "nbp-chip", tabindex: -1, title: `show those tagged ${tag.name}` }, tag.text);
  made.setAttribute("aria-label", `filter by tag ${tag.name}`);
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    tell({ do: "tag", tag: tag.name });
  });
  return made;
}

function bodyCell(cell, column, row, isFirst, tell) {
  const made = make("td", { class: `nbp-${column.align} nbp-is-${column.form}`, title: cell.title || null });
  if (cell.tags) {
    made.append(...cell.tags.map((tag) => chip(tag, tell)));
    if (cell.more) made.append(make("span", { class: "nbp-more" }, cell.more));
  } else if (isFirst) {
    const open = make("button", { type: "button", class: "nbp-open", tabindex: -1, title: cell.title || cell.text }, cell.text || "–");
    open.addEventListener("click", (event) => {
      event.stopPropagation();
      tell({ do: "open", id: row.id });
    });
    made.append(open);
  } else if (cell.fill) {
    made.append(pill(cell));
  } else {
    made.append(cell.text);
  }
  return made;
}

function render({ model, el }) {
  let active = 0; // the row that Tab reaches
  let anchor = null; // where a range of selected rows begins
  let isPressed = false; // a button that is drawn anew under the pointer never hears of its click
  let isStale = false;
  const tell = (message) => model.send(message);
  const rows = () => model.get("view").rows || [];
  const hasBoxes = () => model.get("view").selectable !== false;

  const select = (ids, on) => {
    const kept = new Set(model.get("selected"));
    ids.forEach((id) => (on ? kept.add(id) : kept.delete(id)));
    model.set("selected", [...kept]);
    model.save_changes();
    mark();
  };

  const toggle = (index, isRange) => {
    const shown = rows();
    const on = !model.get("selected").includes(shown[index].id);
    const from = isRange && anchor !== null && anchor < shown.length ? anchor : index;
    const [low, high] = from < index ? [from, index] : [index, from];
    select(shown.slice(low, high + 1).map((row) => row.id), on);
    anchor = index;
  };

  const stops = (line) => [line, ...line.querySelectorAll("input, button")];
  const lines = () => [...el.querySelectorAll("tbody tr[data-index]")];

  const focusRow = (index) => {
    const all = lines();
    if (!all.length) return;
    active = Math.max(0, Math.min(index, all.length - 1));
    all.forEach((line, n) => line.setAttribute("tabindex", n === active ? 0 : -1));
    all[active].focus({ preventScroll: false });
  };

  const pressed = (event) => {
    const line = event.target.closest("tbody tr[data-index]");
    if (line === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const index = Number(line.dataset.index);
    const within = stops(line);
    const place = within.indexOf(event.target);
    const isRow = event.target === line;
    const moves = {
      ArrowDown: () => focusRow(index + 1),
      ArrowUp: () => focusRow(index - 1),
      Home: () => focusRow(0),
      End: () => focusRow(rows().length - 1),
      ArrowRight: () => within[Math.min(place + 1, within.length - 1)].focus(),
      ArrowLeft: () => within[Math.max(place - 1, 0)].focus(),
      PageDown: () => tell({ do: "page", by: 1 }),
      PageUp: () => tell({ do: "page", by: -1 }),
      ...(isRow ? { Enter: () => tell({ do: "open", id: rows()[index].id }) } : {}),
      ...(isRow && hasBoxes() ? { " ": () => toggle(index, event.shiftKey) } : {}),
    };
    if (moves[event.key]) {
      moves[event.key]();
      event.preventDefault();
    }
    // Else the notebook would take the key for one of its own commands.
    event.stopPropagation();
  };

  const mark = () => {
    const chosen = new Set(model.get("selected"));
    const opened = model.get("view").opened;
    const shown = rows();
    for (const line of lines()) {
      const row = shown[Number(line.dataset.index)];
      const isChosen = chosen.has(row.id);
      line.setAttribute("aria-selected", String(hasBoxes() ? isChosen : row.id === opened));
      line.classList.toggle("nbp-chosen", isChosen);
      line.classList.toggle("nbp-opened", row.id === opened);
      const box = line.querySelector(".nbp-box input");
      if (box) box.checked = isChosen;
    }
    const all = el.querySelector("thead .nbp-box input");
    if (all) {
      const count = shown.filter((row) => chosen.has(row.id)).length;
      all.checked = shown.length > 0 && count === shown.length;
      all.indeterminate = count > 0 && count < shown.length;
      all.disabled = shown.length === 0;
    }
  };

  const rowLine = (row, index, view) => {
    const line = make("tr", { "data-index": index, tabindex: index === active ? 0 : -1, "aria-rowindex": view.first + index + 1 });
    if (hasBoxes()) {
      const box = make("input", { type: "checkbox", tabindex: -1, "aria-label": `select ${row.label}` });
      box.addEventListener("click", (event) => {
        event.stopPropagation();
        toggle(index, event.shiftKey);
      });
      line.append(make("td", { class: "nbp-box" }, box));
    }
    row.cells.forEach((cell, n) => line.append(bodyCell(cell, view.columns[n], row, n === 0, tell)));
    line.addEventListener("focus", () => {
      active = index;
      lines().forEach((other) => other.setAttribute("tabindex", other === line ? 0 : -1));
    });
    return line;
  };

  const draw = () => {
    const view = model.get("view");
    if (!view.columns) return;
    isStale = isPressed;
    if (isPressed) return;
    const focused = el.contains(document.activeElement) ? document.activeElement : null;
    const heldRow = focused?.closest("tbody") !== null && focused !== null;
    const heldSort = focused?.classList.contains("nbp-sort") ? view.columns.findIndex((column) => column.name === focused.dataset.column) : -1;
    active = Math.min(active, Math.max(view.rows.length - 1, 0));
    anchor = null;

    const all = make("input", { type: "checkbox", "aria-label": "select all rows of this page" });
    all.addEventListener("click", () => select(rows().map((row) => row.id), all.checked));
    const head = make("tr", { "aria-rowindex": 1 }, hasBoxes() ? make("th", { class: "nbp-box", scope: "col" }, all) : "");
    view.columns.forEach((column) => head.append(headCell(column, view, tell)));

    const body = make("tbody");
    view.rows.forEach((row, index) => body.append(rowLine(row, index, view)));
    if (!view.rows.length) {
      body.append(make("tr", {}, make("td", { colspan: view.columns.length + Number(hasBoxes()), class: "nbp-none" }, view.none)));
    }
    const attributes = { role: "grid", "aria-label": view.label, "aria-rowcount": view.total + 1, "aria-multiselectable": hasBoxes() ? "true" : null };
    const table = make("table", attributes, make("thead", {}, head), body);
    el.replaceChildren(make("div", { class: "nbp-catalog", "data-lm-suppress-shortcuts": "true" }, table));
    mark();
    if (heldRow) focusRow(active);
    else if (heldSort >= 0) el.querySelectorAll("thead th")[heldSort + Number(hasBoxes())]?.querySelector("button")?.focus();
  };

  const press = () => {
    isPressed = true;
  };
  const release = () => {
    if (!isPressed) return;
    isPressed = false;
    // The click comes after the release.
    if (isStale) setTimeout(draw);
  };

  el.addEventListener("keydown", pressed);
  el.addEventListener("pointerdown", press);
  window.addEventListener("pointerup", release);
  window.addEventListener("pointercancel", release);
  model.on("change:view", draw);
  model.on("change:selected", mark);
  draw();
  return () => {
    el.removeEventListener("keydown", pressed);
    el.removeEventListener("pointerdown", press);
    window.removeEventListener("pointerup", release);
    window.removeEventListener("pointercancel", release);
    model.off("change:view", draw);
    model.off("change:selected", mark);
  };
}

export default { render };
