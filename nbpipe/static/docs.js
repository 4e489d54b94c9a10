// The page of an API: the operations, written by the server, and a form at each by which it can be tried.

import { ask, show } from "./session.js";

const content = document.getElementById("content");

function address(form) {
  const query = new URLSearchParams();
  let path = form.dataset.path;
  for (const field of form.querySelectorAll("input[data-in]")) {
    if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    else if (field.value !== "") query.append(field.name, field.value);
  }
  return query.size ? `${path}?${query}` : path;
}

async function send(form) {
  const answered = form.querySelector("output");
  const body = form.querySelector("textarea");
  let json;
  try {
    json = body && body.value.trim() ? JSON.parse(body.value) : undefined;
  } catch (error) {
    answered.textContent = `The body is no JSON: ${error.message}`;
    return;
  }
  const where = address(form);
  answered.textContent = "…";
  try {
    const answer = await ask(where, { method: form.dataset.method, json, accept: "*/*" });
    const text = await answer.text();
    let shown = text;
    try {
      shown = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // not JSON: shown as it came
    }
    answered.textContent = `${form.dataset.method} ${where}\n${answer.status} ${answer.statusText}\n\n${shown}`;
  } catch (error) {
    answered.textContent = `No answer: ${error.message}`;
  }
}

content.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target);
});

const answer = await ask("/docs/operations");
show(content, await answer.text());
