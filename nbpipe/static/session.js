// What every page of a server of ours needs: the token, asking with it, and showing what came.
//
// The token is kept in this tab's session storage: it goes with the tab, no other site can read it, and it is never
// sent unasked, as a cookie would be. Nothing is drawn from text but what the server wrote with its escaping builder.

const KEY = "nbpipe-token";

export const token = () => sessionStorage.getItem(KEY) ?? "";
export const signOut = () => sessionStorage.removeItem(KEY);

/** Ask the server; whoever is not let in is asked for a token, and then it is asked again. */
export async function ask(path, { method = "GET", json = undefined, accept = "text/html", signal = undefined } = {}) {
  for (;;) {
    const headers = { accept };
    if (token()) headers.authorization = `Bearer ${token()}`;
    if (json !== undefined) headers["content-type"] = "application/json";
    const body = json === undefined ? undefined : JSON.stringify(json);
    const answer = await fetch(path, { method, headers, body, signal, redirect: "error", credentials: "omit" });
    if (answer.status !== 401) return answer;
    await signIn(token() ? (await answer.json()).detail : "");
  }
}

/** Put a fragment that the server wrote in the place of what an element holds. */
export function show(target, html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  // The policy forbids styles in attributes, whoever wrote them; those of our own builder are given here.
  for (const each of parsed.querySelectorAll("[data-style]")) {
    each.style.cssText = each.dataset.style;
    delete each.dataset.style;
  }
  target.replaceChildren(...parsed.body.childNodes);
}

/** Give one sentence of an answer that refused. */
export async function refusal(answer) {
  try {
    const { detail } = await answer.json();
    if (Array.isArray(detail)) return detail.map((each) => `${each.loc.slice(1).join(".")}: ${each.msg}`).join("\n");
    return String(detail);
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

function signIn(said) {
  const dialog = document.getElementById("sign-in");
  const field = dialog.querySelector("input");
  dialog.querySelector("output").textContent = said;
  field.value = "";
  dialog.hidden = false;
  field.focus();
  return new Promise((resolve) => {
    dialog.onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, field.value.trim());
      dialog.hidden = true;
      resolve();
    };
  });
}
