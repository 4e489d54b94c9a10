// The pages: what stands behind the # of the address is asked from the server and shown, and forms are sent as JSON.
//
// Nothing is judged here. What is wrong with a value the server says, and it is shown at the field that it is about.

import { ask, refusal, show, signOut } from "./session.js";

const content = document.getElementById("content");
const trouble = document.getElementById("trouble");
const places = document.getElementById("places");
let shown = "";
let clock = 0;
let asking = new AbortController();

const here = () => location.hash.replace(/^#/, "") || "/snapshots";

function complain(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
}

// Where a list or a run stands that is asked for again, what the reader has opened stays open.
const summaryOf = (each, place) => `${place} ${each.querySelector("summary")?.firstChild?.textContent}`;

function replaceContent(html) {
  const open = new Set([...content.querySelectorAll("details")].flatMap((each, n) => (each.open ? [summaryOf(each, n)] : [])));
  show(content, html);
  if (open.size) [...content.querySelectorAll("details")].forEach((each, n) => (each.open ||= open.has(summaryOf(each, n))));
  for (const each of content.querySelectorAll("time[datetime]")) {
    const at = new Date(each.dateTime);
    each.title = each.dateTime;
    each.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

async function load({ again = false } = {}) {
  clearTimeout(clock);
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const place = here();
  try {
    const answer = await ask(`/pages${place}`, { signal });
    if (signal.aborted) return;
    if (!answer.ok) {
      complain(await refusal(answer));
      if (!again) content.replaceChildren();
      else clock = setTimeout(() => load({ again: true }), 3000);
      return;
    }
    const html = await answer.text();
    if (signal.aborted) return;
    places.hidden = false;
    complain("");
    if (!again || html !== shown) replaceContent(html);
    shown = html;
    document.title = `${content.querySelector("h1")?.textContent ?? "nbpipe"} · nbpipe`;
    for (const each of places.querySelectorAll("a")) {
      if (place.startsWith(each.hash.slice(1)) && each.hash) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
    const next = content.querySelector("[data-refresh]")?.dataset.refresh;
    if (next) clock = setTimeout(() => load({ again: true }), Number(next));
  } catch (error) {
    if (signal.aborted) return;
    complain(`The server does not answer: ${error.message}`);
    clock = setTimeout(() => load({ again: true }), 3000);
  }
}

// Forms ---------------------------------------------------------------------------------------

const isNumber = (text) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Math.abs(Number(text)) <= Number.MAX_SAFE_INTEGER;

/** Give what a control means; what is no such value goes as it was typed, for the server to refuse. */
function meant(control) {
  const text = control.value;
  switch (control.dataset.kind) {
    case "flag":
      return control.checked;
    case "choice":
      return JSON.parse(text);
    case "optional-number":
      if (text.trim() === "") return null;
    // falls through
    case "number":
      return isNumber(text.trim()) ? Number(text) : text;
    case "optional-text":
      return text === "" ? null : text;
    case "json":
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
    default:
      return text;
  }
}

const changed = (control) => {
  if (control.type === "checkbox") return control.checked !== control.defaultChecked;
  if (control.tagName === "SELECT") return ![...control.selectedOptions].every((each) => each.defaultSelected);
  return control.value !== control.defaultValue;
};

function configurationOf(form) {
  const configuration = {};
  for (const control of form.querySelectorAll("[data-place]")) {
    if (!changed(control)) continue;
    const steps = JSON.parse(control.dataset.place);
    let inner = configuration;
    for (const step of steps.slice(0, -1)) inner = inner[step] ??= {};
    inner[steps.at(-1)] = meant(control);
  }
  return configuration;
}

function say(form, place, text) {
  const spot = [...form.querySelectorAll("[data-wrong]")].find((each) => each.dataset.wrong === place);
  if (!spot) return false;
  spot.textContent = spot.textContent ? `${spot.textContent}\n${text}` : text;
  if (place) document.getElementById(place).setAttribute("aria-invalid", "true");
  return true;
}

function forget(form) {
  for (const each of form.querySelectorAll("[data-wrong]")) each.textContent = "";
  for (const each of form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
}

/** Show what was refused, each problem at its field. */
async function tell(form, answer) {
  const { detail } = await answer.json().catch(() => ({ detail: `The server answered ${answer.status}.` }));
  if (!Array.isArray(detail)) {
    say(form, "", String(detail));
    return;
  }
  for (const { loc, msg } of detail) {
    const steps = loc.slice(2).map(String);
    let found = false;
    // A problem within a value is told at the value.
    for (let n = steps.length; n > 0 && !found; n -= 1) found = say(form, steps.slice(0, n).join("."), msg);
    if (!found) say(form, "", `${steps.join(".")} ${msg}`);
  }
  form.querySelector("[aria-invalid]")?.focus();
}

async function send(form, path, method, json) {
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  forget(form);
  try {
    return await ask(path, { method, json, accept: "application/json" });
  } catch (error) {
    say(form, "", `The server does not answer: ${error.message}`);
    return undefined;
  } finally {
    button.disabled = false;
  }
}

async function run(form) {
  const path = `/api/v1/pipeline_snapshots/${form.dataset.run}/runs`;
  const answer = await send(form, path, "POST", { run_configuration: configurationOf(form) });
  if (!answer) return;
  if (!answer.ok) await tell(form, answer);
  else location.hash = `#/runs/${(await answer.json()).id}`;
}

async function move(form) {
  const model = encodeURIComponent(form.dataset.model);
  const path = `/api/v1/models/${model}/versions/${form.dataset.version}/stage`;
  const wanted = { stage: form.elements.stage.value, note: form.elements.note.value, force: form.elements.force.checked };
  const answer = await send(form, path, "PUT", wanted);
  if (!answer) return;
  if (answer.ok) await load();
  else content.querySelector("[data-wrong]").textContent = await refusal(answer);
}

async function stop(button) {
  button.disabled = true;
  const answer = await ask(`/api/v1/runs/${button.dataset.stop}/stop`, { method: "POST", accept: "application/json" });
  if (!answer.ok) complain(await refusal(answer));
  await load({ again: true });
}

content.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  if (form.dataset.run) run(form);
  else if (form.dataset.model) move(form);
  else if (form.dataset.search) {
    const text = form.elements.text.value.trim();
    location.hash = text ? `${form.dataset.search}?text=${encodeURIComponent(text)}` : form.dataset.search;
  }
});
content.addEventListener("click", (event) => {
  const button = event.target.closest("[data-stop]");
  if (button) stop(button);
});
document.getElementById("sign-out").addEventListener("click", () => {
  signOut();
  content.replaceChildren();
  places.hidden = true;
  load();
});
window.addEventListener("hashchange", () => {
  window.scrollTo(0, 0);
  load();
});

load();
