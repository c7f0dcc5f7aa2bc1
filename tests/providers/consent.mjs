// A person at a browser: follows an authorization URL to its end, signs in, agrees, and is led back to the callback; or
// opens the page for a device's code, and agrees there.
//
//   node consent.mjs URL TLS_PORT CA_FILE
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';

const [, , start, port, authority] = process.argv;
const ca = fs.readFileSync(authority);
const jar = new Map();

// Sends one request. Every https name is the provider's; the callback is where it says.
function ask(url, form) {
  const { protocol, hostname, host } = url;
  const jarred = [...(jar.get(host) ?? new Map())].map(([name, value]) => `${name}=${value}`).join('; ');
  const headers = { host, ...(jarred && { cookie: jarred }) };
  if (form) headers['content-type'] = 'application/x-www-form-urlencoded';
  const place = protocol === 'https:' ? { host: '127.0.0.1', port, servername: hostname, ca } : { host: hostname, port: url.port };
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? https : http).request(
      { ...place, path: url.pathname + url.search, method: form ? 'POST' : 'GET', headers, agent: false },
      (response) => {
        const cookies = jar.get(host) ?? jar.set(host, new Map()).get(host);
        for (const line of response.headers['set-cookie'] ?? []) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
          cookies.set(name, value);
        }
        let page = '';
        response.setEncoding('utf8').on('data', (chunk) => { page += chunk; });
        response.on('end', () => resolve({ status: response.statusCode, location: response.headers.location, page }));
      },
    );
    request.on('error', reject).end(form?.toString());
  });
}

// What a form sends by itself.
function hidden(page) {
  const attribute = (input, name) => new RegExp(` ${name}="([^"]*)"`).exec(input)?.[1];
  const inputs = page.match(/<input [^>]*type="hidden"[^>]*>/g) ?? [];
  return inputs.map((input) => [attribute(input, 'name'), attribute(input, 'value') ?? '']);
}

let url = new URL(start);
let form;
for (let step = 0; step < 20; step += 1) {
  const { status, location, page } = await ask(url, form);
  form = undefined;
  if (location) {
    url = new URL(location, url);
    continue;
  }
  const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1];
  if (url.protocol === 'http:' || !action) {
    if (status !== 200) throw new Error(`the way ended at ${url.host}${url.pathname} with ${status}`);
    process.exit(0);
  }
  url = new URL(action, url);
  form = new URLSearchParams(hidden(page));
  if (form.get('prompt') === 'login') {
    form.set('login', 'alice');
    form.set('password', 'x');
  }
}
throw new Error('no end after 20 steps');
