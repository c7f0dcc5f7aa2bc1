// The dashboard in chromium; tests/browser/run has set up the home.
import assert from "node:assert/strict";

import { chromium } from "playwright-core";

import { evil } from "./evil.mjs";
import { CHROMIUM, DASHBOARD, EVIL, KEY, acts, agent, held, signed, state, wardlock } from "./home.mjs";
import { context, look, signIn } from "./pages.mjs";

const step = (text) => console.error(`  ${text}`);
const lead = (Last_Name) => ({ data: [{ Last_Name, Company: "Nordwind" }] });

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  // As root chromium has no sandbox; the foreign names lead here, as a rebound name server would have it.
  args: ["--no-sandbox", "--host-resolver-rules=MAP rebind.example 127.0.0.1, MAP evil.example 127.0.0.1"],
});
const attacker = await evil();
const whole = await context(browser);
const page = await whole.newPage();

async function aStolenLinkIsWorthNothing() {
  const nobody = await page.goto(`${DASHBOARD}/drafts`);
  assert.equal(nobody.status(), 401);
  const link = await signIn(page);
  const cookie = (await whole.cookies()).find(({ name }) => name.startsWith("wardlock_session_"));
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/"]);
  assert.equal(await page.evaluate(() => document.cookie), "", "no script reads the cookie");
  // Going back and pressing twice, as the same person does, is no alarm and signs nobody out.
  await page.goBack();
  assert.equal(await page.evaluate(() => document.cookie), "", "nor the link's");
  await page.getByRole("button", { name: "Sign in" }).dblclick();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.ok(!(await acts()).some((act) => act.startsWith("dashboard.link-reused")));
  const thief = await context(browser);
  const stolen = await thief.newPage();
  assert.equal((await stolen.goto(link)).status(), 410);
  const status = await stolen.evaluate(async (link) => (await fetch(link, { method: "POST" })).status, link);
  assert.equal(status, 410);
  assert.equal((await stolen.goto(`${DASHBOARD}/`)).status(), 401);
  assert.ok((await acts()).some((act) => act === "dashboard.link-reused session, by dashboard"));
  await thief.close();
}

async function anApprovalIsSeenLive() {
  const { data } = (await agent("GET", "/acme/zoho/crm/v8/Leads?fields=Last_Name,Company&per_page=2")).json();
  const draft = await held("PUT", { data: [{ id: data[0].id, Last_Name: "Winterbottom", Company: data[0].Company }] });
  const watching = await whole.newPage();
  await watching.goto(`${DASHBOARD}/audit`);
  await watching.getByRole("status").filter({ hasText: "Live" }).waitFor();

  await page.goto(`${DASHBOARD}/drafts`);
  await page.getByRole("link", { name: "records.update on acme/zoho" }).click();
  const row = page.getByRole("row", { name: /Last_Name/ });
  await row.getByText(JSON.stringify(data[0].Last_Name), { exact: true }).waitFor();
  await row.getByText("Winterbottom").waitFor();
  await look(browser, page, `/drafts/${draft}`, "draft-typed");

  const confirm = page.getByLabel("Type acme/zoho to approve");
  await confirm.fill("acme/zoo");
  await page.getByRole("button", { name: "Approve and send" }).click();
  await page.getByText("Not confirmed, so nothing was sent").waitFor();
  assert.equal((await state(draft)).state, "held");
  await page.goto(`${DASHBOARD}/drafts/${draft}`);
  await confirm.fill("acme/zoho");
  await page.getByRole("button", { name: "Approve and send" }).click();
  await page.getByRole("heading", { name: "Approved and sent" }).waitFor();
  const again = await page.reload();
  assert.deepEqual([again.request().method(), again.status()], ["GET", 200], "a reload sends no form again");
  await page.getByRole("heading", { name: "What became of it" }).waitFor();
  assert.deepEqual(await state(draft), { state: "sent", outcome: "ok", decided_by: "dashboard" });
  await watching.getByText(`drafts.approve ${draft}, by dashboard`).waitFor();
  await page.getByRole("link", { name: "What the audit says of it" }).click();
  await page.getByRole("heading", { name: /Row \d+: outcome/ }).waitFor();

  await watching.getByRole("button", { name: "Pause" }).click();
  await agent("GET", "/acme/zoho/crm/v8/Leads?fields=Company&per_page=1");
  await watching.getByText("Paused").waitFor();
  await watching.close();
}

async function theKeyboardIsEnough() {
  const draft = await held("POST", lead("Keyboard"));
  await page.goto(`${DASHBOARD}/drafts/${draft}`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
  await page.keyboard.press("Enter");
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  for (let presses = 0; (await focused()) !== "confirm"; presses += 1) {
    assert.ok(presses < 30, "the keyboard reaches the field");
    await page.keyboard.press("Tab");
  }
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid", "what has the focus shows it");
  await page.keyboard.type("acme/zoho");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Approve and send");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Approved and sent" }).waitFor();
  assert.equal((await state(draft)).state, "sent");
}

async function whatAgentsWriteIsInert() {
  const hostile = "</code><script>alert(1)</script><img src=x onerror=alert(2)>";
  const draft = await held("POST", lead(hostile), `${hostile} is why`);
  await agent("GET", `/acme/zoho/crm/v8/Leads/${encodeURIComponent("<script>alert(3)</script>")}`);
  await agent("GET", "/acme/zoho/crm/v8/<script>alert(4)<%2Fscript>?fields=<script>alert(5)</script>");
  for (const path of ["/", "/audit", "/drafts", `/drafts/${draft}`, "/plugins"]) {
    await page.goto(`${DASHBOARD}${path}`);
    assert.equal(await page.locator("main script, main img[src=x]").count(), 0, path);
  }
  const ids = (await wardlock("audit", "list", "--limit", "8")).map((row) => row.request).filter(Boolean);
  for (const id of ids) await page.goto(`${DASHBOARD}/requests/${id}`);
  await page.goto(`${DASHBOARD}/audit?workspace=${encodeURIComponent('"><script>alert(6)</script>')}`);
  await page.goto(`${DASHBOARD}/drafts/${draft}`);
  await page.getByText("alert(1)").first().waitFor();
  assert.deepEqual(whole.complaints.filter((text) => /script ran|Content Security|Trusted/i.test(text)), []);
  await page.getByRole("button", { name: "Reject" }).click();
  await page.getByRole("heading", { name: "Rejected" }).waitFor();
  assert.deepEqual(await state(draft), { state: "rejected", outcome: null, decided_by: "dashboard" });
}

async function aLongDraftIsFoldedUp() {
  const long = (at) => ({ id: `57257670000005${String(at).padStart(5, "0")}`, Company: "Nordwind ".repeat(500) });
  const draft = await held("PUT", { data: Array.from({ length: 12 }, (_, at) => long(at)) });
  await page.goto(`${DASHBOARD}/drafts/${draft}`);
  await page.getByRole("link", { name: "To the decision" }).click();
  const top = await page.getByRole("heading", { name: "Decide" }).evaluate((heading) => heading.getBoundingClientRect().top);
  assert.ok(top >= 0 && top < 900, `the decision is in view: ${top}`);
  const high = await page.evaluate(() => document.documentElement.scrollHeight);
  assert.ok(high < 10_000, `the page is ${high} high`);
  await look(browser, page, `/drafts/${draft}`, "draft-long");
  await wardlock("drafts", "reject", draft);
}

async function otherPagesDoNothing() {
  const draft = await held("POST", lead("Attacked"));
  const victim = await whole.newPage();
  for (const place of [`http://evil.example:${EVIL}`, `http://localhost:${EVIL}`, `http://127.0.0.1:${EVIL}`]) {
    for (const act of ["approve", "reject"]) {
      await victim.goto(`${place}/form?path=/drafts/${draft}/${act}`);
      const [answer] = await Promise.all([
        victim.waitForResponse((response) => response.url().startsWith(DASHBOARD)),
        victim.getByRole("button", { name: "Go" }).click(),
      ]);
      assert.equal(answer.status(), 403, `${act} from ${place}`);
    }
    await victim.goto(`${place}/`);
    const script = await victim.evaluate(
      (url) => fetch(url, { method: "POST", credentials: "include", mode: "no-cors" }).then((answer) => answer.type, () => "refused"),
      `${DASHBOARD}/drafts/${draft}/reject`,
    );
    assert.ok(["opaque", "refused"].includes(script));
    await victim.goto(`${place}/frame?path=/drafts/${draft}`);
    await victim.waitForTimeout(300);
    for (const frame of victim.frames().slice(1)) {
      assert.equal(await frame.getByRole("button").count(), 0, `the draft shows in a frame of ${place}`);
    }
  }
  assert.equal((await state(draft)).state, "held");
  // Cookies know no ports, so another program on this machine gets this one; it is another user's, where it matters.
  assert.ok(attacker.cookies.some((cookie) => cookie.startsWith(`wardlock_session_${new URL(DASHBOARD).port}=`)));
  await victim.close();

  const { port } = new URL(DASHBOARD);
  for (const name of ["rebind.example", "127.0.0.1"]) {
    const rebound = await page.goto(`http://${name}:${port}/drafts`);
    assert.equal(rebound.status(), 421, name);
    assert.ok(!(await page.content()).includes(draft));
  }
  await page.goto(`${DASHBOARD}/`);
  await wardlock("drafts", "reject", draft);
}

async function itWorksWithoutScripts() {
  const draft = await held("POST", lead("Scriptless"));
  const plain = await context(browser, { javaScriptEnabled: false });
  const page = await plain.newPage();
  await signIn(page);
  await page.goto(`${DASHBOARD}/audit?kind=admin`);
  await page.getByRole("row", { name: /dashboard\.login/ }).first().waitFor();
  assert.ok(!(await page.locator(".live").isVisible()), "nothing promises what only a script does");
  await page.goto(`${DASHBOARD}/drafts/${draft}`);
  await page.getByLabel("Type acme/zoho to approve").fill("acme/zoho");
  await page.getByRole("button", { name: "Approve and send" }).click();
  await page.getByRole("heading", { name: "Approved and sent" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await plain.close();
}

/** An authenticator of the browser's own, with somebody who touches it; `verifies` whether it knows who. */
async function authenticator(page, isUserVerified = true) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true };
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: { ...options, isUserVerified, automaticPresenceSimulation: true },
  });
  return { devtools, authenticatorId };
}

async function operatorsApproveByPasskey() {
  await wardlock("operator", "add", "ada", "--key", `${KEY}.pub`);
  const draft = await held("POST", lead("Signed"));
  await page.goto(`${DASHBOARD}/drafts/${draft}`);
  await page.getByText("none of them a passkey yet").waitFor();
  await look(browser, page, `/drafts/${draft}`, "draft-command-line");
  await assert.rejects(wardlock("operator", "passkey", "ada"), /operator's signature/);

  const { devtools, authenticatorId } = await authenticator(page);
  const { link } = await signed("operator", "passkey", "ada");
  await page.goto(link);
  await look(browser, page, new URL(link).pathname, "passkey");
  await page.getByRole("button", { name: "Make a passkey" }).click();
  await page.getByRole("heading", { name: "The passkey is kept" }).waitFor();
  assert.equal((await page.goto(link)).status(), 410, "its link is used up");
  assert.deepEqual((await wardlock("operator", "list")).map(({ operator, passkeys }) => [operator, passkeys]), [["ada", 1]]);

  await page.goto(`${DASHBOARD}/drafts/${draft}`);
  await look(browser, page, `/drafts/${draft}`, "draft-passkey");
  // Somebody who only touches it is nobody.
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await page.getByRole("button", { name: "Approve with a passkey" }).click();
  await page.getByText("No passkey answered").waitFor();
  assert.equal((await state(draft)).state, "held");
  // What an agent with a shell could send: the form without a passkey, with this session.
  const bare = await page.evaluate(async () => {
    const { csrf, request_sha256 } = document.querySelector("form.approve").elements;
    const fields = { csrf: csrf.value, request_sha256: request_sha256.value, confirm: "acme/zoho" };
    const answer = await fetch(document.querySelector("form.approve").action, { method: "POST", body: new URLSearchParams(fields) });
    return [answer.status, await answer.text()];
  });
  assert.equal(bare[0], 409);
  assert.match(bare[1], /passkey/);
  assert.equal((await state(draft)).state, "held");

  await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
  await page.getByRole("button", { name: "Approve with a passkey" }).click();
  await page.getByRole("heading", { name: "Approved and sent" }).waitFor();
  assert.deepEqual(await state(draft), { state: "sent", outcome: "ok", decided_by: "ada" });
  assert.ok((await acts()).includes(`drafts.approve ${draft}, by ada`));
}

async function everyPageIsLookedAt() {
  await held("POST", lead("Ellison"), "web form of the fifth of January");
  for (const [path, name] of [["/", "overview"], ["/drafts", "drafts"], ["/audit", "audit"], ["/audit?since=yesterday", "audit-problem"], ["/plugins", "plugins"]]) {
    await page.goto(`${DASHBOARD}${path}`);
    await look(browser, page, path, name);
  }
  const { link } = await wardlock("dashboard");
  await look(browser, page, new URL(link).pathname, "login");
  const [{ request }] = await wardlock("audit", "list", "--kind", "intent", "--limit", "1");
  await look(browser, page, `/requests/${request}`, "request");
  await page.goto(`${DASHBOARD}/`);
  await page.getByRole("button", { name: "Check the whole audit" }).click();
  await page.getByText("every row, head and index entry").waitFor();
}

async function freezingHoldsAndLockingEndsEverySession() {
  await page.goto(`${DASHBOARD}/`);
  await page.getByText("Stop everything").click();
  await page.getByRole("button", { name: "Freeze everything" }).click();
  await page.getByText("Everything is frozen").waitFor();
  assert.equal((await agent("GET", "/acme/zoho/crm/v8/Leads?fields=Company")).status, 403);
  await look(browser, page, "/", "frozen");
  await look(browser, page, "/drafts", "drafts-frozen");
  await wardlock("vault", "lock");
  assert.equal((await page.goto(`${DASHBOARD}/drafts`)).status(), 503);
  await page.getByText("The vault is locked").first().waitFor();
  await look(browser, page, "/", "locked");
  await wardlock("vault", "unlock");
  assert.equal((await page.goto(`${DASHBOARD}/drafts`)).status(), 401, "the session is gone");
  await look(browser, page, "/", "signed-out");
}

const steps = [
  aStolenLinkIsWorthNothing,
  anApprovalIsSeenLive,
  theKeyboardIsEnough,
  whatAgentsWriteIsInert,
  aLongDraftIsFoldedUp,
  otherPagesDoNothing,
  itWorksWithoutScripts,
  operatorsApproveByPasskey,
  everyPageIsLookedAt,
  freezingHoldsAndLockingEndsEverySession,
];
try {
  for (const test of steps) {
    await test();
    step(test.name);
  }
} catch (error) {
  const { SCREENSHOTS } = process.env;
  await page.screenshot({ path: `${SCREENSHOTS}/failed.png`, fullPage: true }).catch(() => {});
  console.error(error, "\nat", page.url());
  process.exitCode = 1;
} finally {
  attacker.close();
  await browser.close();
}
