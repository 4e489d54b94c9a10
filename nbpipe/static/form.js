/* What a form needs of the page: its keys, and the copying of its code.
 *
 * It shows nothing itself. It finds the form that it lies in, and tells Python what was asked for;
 * what that means is decided there.
 *
 * Keys: Ctrl+Enter (or Cmd+Enter) runs.
 */

// What was typed last waits in the page until Python has answered for what was typed before. When a question
// that was asked after it is answered, it is on its way; a second one makes sure, and then the run is asked for.
const QUESTIONS = 2;

function copied(text, source) {
  const selection = window.getSelection();
  const range = document.createRange();
  range.selectNodeContents(source);
  selection.removeAllRanges();
  selection.addRange(range);
  // The clipboard's own interface is there on secure pages only; the older way works on all.
  if (navigator.clipboard && window.isSecureContext) {
    return navigator.clipboard.writeText(text).then(() => true, () => document.execCommand("copy"));
  }
  return Promise.resolve(document.execCommand("copy"));
}

function listen(model, form) {
  let questions = 0;
  const onAnswer = (message) => {
    if (message?.do !== "answer" || questions === 0) return;
    questions -= 1;
    model.send({ do: questions === 0 ? "run" : "ask" });
  };
  model.on("msg:custom", onAnswer);

  const onKey = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      const typed = document.activeElement;
      // A number is handed over when its field is left.
      typed?.dispatchEvent(new Event("change", { bubbles: true }));
      if (questions === 0) model.send({ do: "ask" });
      questions = QUESTIONS;
    }
  };
  const onClick = (event) => {
    const button = event.target.closest(".nbpipe-copy");
    const code = button?.closest(".nbpipe-passage")?.querySelector("pre");
    if (!code) return;
    copied(code.textContent, code).then((done) => {
      model.send({ do: "copied", done: Boolean(done) });
    });
  };
  form.addEventListener("keydown", onKey, true);
  form.addEventListener("click", onClick);
  return () => {
    model.off("msg:custom", onAnswer);
    form.removeEventListener("keydown", onKey, true);
    form.removeEventListener("click", onClick);
  };
}

export default {
  render({ model, el }) {
    el.style.display = "none";
    let end = () => {};
    let frame = 0;
    // A box makes the views of its children before it takes them in: until then there is no form around this one.
    const find = () => {
      const form = el.closest(".nbpipe-form");
      if (form) end = listen(model, form);
      else frame = requestAnimationFrame(find);
    };
    find();
    return () => {
      cancelAnimationFrame(frame);
      end();
    };
  },
};
