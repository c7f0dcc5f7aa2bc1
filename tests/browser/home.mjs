// The home and its agent: commands of the executable, and requests through the proxy.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { request } from "node:http";
import { promisify } from "node:util";

export const { WARDLOCK, FOLDER, TOKEN, KEY, SCREENSHOTS, CHROMIUM, AGENTS, DASHBOARD, EVIL } = process.env;

const run = promisify(execFile);

/** Gives a command, and returns its data. */
export async function wardlock(...args) {
  const { stdout } = await run(WARDLOCK, ["--home", FOLDER, "--json", ...args]);
  return stdout.trim() ? JSON.parse(stdout) : null;
}

/** Gives a command that ada signs. */
export const signed = (...args) => wardlock("--as", "ada", "--sign-with", KEY, ...args);

/** Asks as the agent. Not by `fetch`, which says that it is a browser. */
export function agent(method, path, { body, purpose = "the suite of the dashboard" } = {}) {
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    accept: "application/problem+json",
    "wardlock-purpose": purpose,
    ...(body && { "content-type": "application/json" }),
  };
  return new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(AGENTS);
    const asked = request({ host, port, method, path, headers }, async (answer) => {
      const pieces = await answer.toArray();
      const text = Buffer.concat(pieces).toString();
      resolve({ status: answer.statusCode, json: () => JSON.parse(text) });
    });
    asked.on("error", reject);
    asked.end(body && JSON.stringify(body));
  });
}

/** Has a write held, and returns its draft. */
export async function held(method, body, purpose) {
  const answer = await agent(method, "/acme/zoho/crm/v8/Leads", { body, purpose });
  const said = answer.json();
  assert.equal(said.code, "held", JSON.stringify(said));
  return said.draft;
}

/** The state of a draft. */
export async function state(draft) {
  const { state, outcome, decided_by } = await wardlock("drafts", "show", draft);
  return { state, outcome, decided_by };
}

/** The newest acts of the audit, in words. */
export async function acts() {
  const rows = await wardlock("audit", "list", "--kind", "admin", "--limit", "30");
  return rows.map((row) => row.act);
}
