// New rows of the audit, as they come. The listener answers as soon as there are some; texts are put in as text, never as markup.
"use strict";

const live = document.querySelector(".live");
const told = live.querySelector(".told");
const pause = live.querySelector("button");
const body = document.querySelector("#rows tbody");
const MOST = 200;
let after = Number(live.dataset.after);
let paused = false;
let stop = null;

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function cell(name, ...parts) {
  const made = element("td", "", { role: "cell", class: name });
  made.append(...parts);
  return made;
}

function show(row) {
  const made = element("tr", "", { role: "row", class: "new" });
  const mark = element("span", row.words, { class: `mark ${row.class}` });
  mark.prepend(element("span", row.sign, { class: "sign", "aria-hidden": "true" }));
  const state = cell("state", mark);
  if (row.code) state.append(" ", element("code", row.code));
  const request = cell("request");
  if (row.request) request.append(element("a", row.request, { class: "id", href: `/requests/${encodeURIComponent(row.request)}` }));
  made.append(
    cell("number", String(row.sequence)),
    cell("time", element("time", row.time, { datetime: row.stamp })),
    cell("what", row.what),
    cell("place", row.place),
    cell("agent", row.agent),
    state,
    request,
  );
  body.prepend(made);
  while (body.rows.length > MOST) body.lastElementChild.remove();
}

async function follow() {
  while (!paused) {
    stop = new AbortController();
    try {
      const query = live.dataset.query ? `${live.dataset.query}&` : "";
      const answer = await fetch(`/audit/live?${query}after=${after}`, { signal: stop.signal });
      if (answer.status === 401 || answer.status === 503) {
        told.textContent = "Not live: the session has ended. Sign in again, and load this page.";
        pause.hidden = true;
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      const { rows } = await answer.json();
      for (const row of rows) {
        show(row);
        after = Math.max(after, row.sequence);
      }
      told.textContent = rows.length ? `Live: ${rows.length === 1 ? "one new row" : `${rows.length} new rows`}` : "Live: new rows show as they are written";
    } catch (error) {
      if (error.name === "AbortError") return;
      told.textContent = "Not live: Wardlock does not answer. Trying again.";
      await new Promise((resolve) => setTimeout(resolve, 3000));
    }
  }
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  if (paused) {
    stop?.abort();
    told.textContent = "Paused: new rows wait";
  } else {
    follow();
  }
});
live.hidden = false;
told.textContent = "Live: new rows show as they are written";
follow();
