// A server of pages that attack: forms that post to the dashboard, and frames that show it.
import { createServer } from "node:http";

import { DASHBOARD, EVIL } from "./home.mjs";

/** Serves pages; `cookies` are those that browsers sent along. */
export async function evil() {
  const cookies = [];
  const server = createServer((request, response) => {
    if (request.headers.cookie) cookies.push(request.headers.cookie);
    const { pathname, searchParams } = new URL(request.url, "http://evil");
    response.setHeader("content-type", "text/html");
    const target = `${DASHBOARD}${searchParams.get("path") ?? "/"}`;
    const pages = {
      "/form": `<form method="post" action="${target}"><input name="confirm" value="acme/zoho"><button>Go</button></form>`,
      "/frame": `<iframe src="${target}" width="900" height="700"></iframe>`,
      "/link": `<a href="${target}">Look</a>`,
    };
    response.end(`<!doctype html><title>evil</title>${pages[pathname] ?? ""}`);
  });
  await new Promise((resolve) => server.listen(Number(EVIL), "127.0.0.1", resolve));
  return { cookies, close: () => server.close() };
}
