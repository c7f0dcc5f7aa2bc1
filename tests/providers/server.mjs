// What both servers share: TLS on a free port, hosts by name, and a door for the test.
//
// The first line on standard output is `{"tls": PORT, "control": PORT}`. `GET /seen` at the control port gives what was
// received; `POST /NAME` does what the server's table says.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';

// Folder with `cert.pem`, `key.pem`, and what the test tells in `plan.json`.
export const folder = process.argv[2];
export const plan = JSON.parse(fs.readFileSync(path.join(folder, 'plan.json'), 'utf8'));

const seen = [];

// Notes a request as the wire had it. Its secrets are the test's own.
export function note(host, request, body) {
  seen.push({ host, method: request.method, target: request.url, headers: request.headers, body });
}

export async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

export function answer(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body === undefined ? '' : JSON.stringify(body));
}

export async function serve(hosts, doors) {
  const tls = https.createServer(
    { cert: fs.readFileSync(path.join(folder, 'cert.pem')), key: fs.readFileSync(path.join(folder, 'key.pem')) },
    (request, response) => {
      const handler = hosts[request.headers.host];
      if (!handler) return answer(response, 421, { error: 'no such host' });
      return handler(request, response);
    },
  );
  const control = http.createServer(async (request, response) => {
    if (request.url === '/seen') return answer(response, 200, seen);
    const door = doors[request.url.slice(1)];
    if (!door) return answer(response, 404, {});
    await door();
    return answer(response, 200, {});
  });
  await listen(tls);
  await listen(control);
  console.log(JSON.stringify({ tls: tls.address().port, control: control.address().port }));
  // Whoever started this holds its standard input; when they are gone, so is this.
  process.stdin.on('end', () => process.exit(0)).resume();
}

function listen(server) {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}
