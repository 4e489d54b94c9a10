/* What a page of widgets lacks for who uses no mouse or sees no screen.
 *
 * The widgets of the notebook say nowhere which of several toggles is pressed or what a slider sets, and what
 * folds is out of the reach of keys; the notebook takes Enter and single letters for commands of its own. All
 * that is mended here, in the page that this lies in. It shows nothing itself, and tells Python nothing.
 *
 * Keys: Escape goes back to the notebook.
 */

const TOGGLES = ".widget-toggle-buttons .jupyter-button, .jupyter-button.widget-toggle-button";
const FOLDS = ".jupyter-widget-Collapse-header";

function put(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function mend(page) {
  for (const toggle of page.querySelectorAll(TOGGLES)) {
    put(toggle, "aria-pressed", String(toggle.classList.contains("mod-active")));
  }
  for (const slider of page.querySelectorAll(".widget-slider")) {
    const label = slider.querySelector(".widget-label")?.textContent.trim();
    for (const handle of label ? slider.querySelectorAll("[role=slider]") : []) put(handle, "aria-label", label);
    // The number beside it can be typed.
    for (const number of label ? slider.querySelectorAll("[contenteditable]") : []) {
      put(number, "role", "textbox");
      put(number, "aria-label", `${label}: typed`);
    }
  }
  for (const fold of page.querySelectorAll(FOLDS)) {
    put(fold, "role", "button");
    put(fold, "tabindex", "0");
    put(fold, "aria-expanded", String(fold.parentElement.classList.contains("jupyter-widget-Collapse-open")));
  }
}

function attend(page) {
  // Else it would take Ctrl+Enter, too, and make the page anew.
  page.setAttribute("data-lm-suppress-shortcuts", "true");
  let frame = 0;
  const later = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => mend(page));
  };
  const watching = new MutationObserver(later);
  watching.observe(page, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
  mend(page);

  const onKey = (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) {
      event.stopPropagation();
      document.activeElement?.blur();
      page.closest(".jp-Notebook")?.focus();
    } else if ((event.key === "Enter" || event.key === " ") && event.target.matches?.(FOLDS)) {
      event.preventDefault();
      event.target.click();
    }
  };
  page.addEventListener("keydown", onKey);
  return () => {
    cancelAnimationFrame(frame);
    watching.disconnect();
    page.removeEventListener("keydown", onKey);
  };
}

export default {
  render({ el }) {
    el.style.display = "none";
    let end = () => {};
    let frame = 0;
    // A box makes the views of its children before it takes them in: until then there is no page around this one.
    const find = () => {
      const page = el.closest(".nbpipe-page");
      if (page) end = attend(page);
      else frame = requestAnimationFrame(find);
    };
    find();
    return () => {
      cancelAnimationFrame(frame);
      end();
    };
  },
};
