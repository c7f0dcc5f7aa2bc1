// A strict authorization server that nobody here wrote: oidc-provider, with PKCE required, refresh tokens that rotate with
// reuse detection, revocation, device codes, client credentials, and `iss` in the callback. Beside it stands a small API that
// believes its tokens.
import Provider from 'oidc-provider';
import { answer, note, plan, read, serve } from './server.mjs';

const issuer = 'https://id.provider.test';
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: plan.client_id,
      // A public client has none.
      ...(plan.auth !== 'none' && { client_secret: plan.client_secret }),
      grant_types: plan.grant_types ?? ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [plan.registered ?? plan.redirect_uri],
      token_endpoint_auth_method: plan.auth,
      application_type: 'native',
    },
  ],
  scopes: ['openid', 'offline_access', 'notes.read', 'notes.write'],
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: true }, revocation: { enabled: true }, deviceFlow: { enabled: true },
    clientCredentials: { enabled: true },
  },
  ttl: {
    AccessToken: plan.access_seconds, AuthorizationCode: 60, RefreshToken: 86400, Interaction: 600, Session: 3600, Grant: 86400,
    IdToken: 3600, DeviceCode: 600, ClientCredentials: plan.access_seconds,
  },
  rotateRefreshToken: true,
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});

const tokens = new Set();
provider.on('access_token.saved', (token) => tokens.add(token));
provider.on('client_credentials.saved', (token) => tokens.add(token));

// What it says of itself: a revocation is answered with 200 whatever becomes of it (RFC 7009 section 2.2).
provider.on('grant.revoked', () => note('events', { method: 'grant', url: 'revoked', headers: {} }));

const server = provider.callback();
const notes = [{ id: 'n1', text: 'first' }];

async function api(request, response) {
  const body = await read(request);
  note('api.provider.test', request, body);
  const [scheme, bearer] = (request.headers.authorization ?? '').split(' ');
  const found = scheme === 'Bearer' && bearer;
  const token = found ? await provider.AccessToken.find(bearer) ?? await provider.ClientCredentials.find(bearer) : undefined;
  if (!token?.isValid) return answer(response, 401, { error: 'invalid_token' }, { 'www-authenticate': 'Bearer' });
  const path = new URL(request.url, 'https://api.provider.test').pathname;
  const allowed = (scope) => (token.scope ?? '').split(' ').includes(scope);
  if (path === '/v1/me' && request.method === 'GET') return answer(response, 200, { id: token.accountId ?? token.clientId, name: 'Alice' });
  if (path === '/v1/notes' && request.method === 'GET' && allowed('notes.read')) return answer(response, 200, { notes });
  if (path === '/v1/notes' && request.method === 'POST' && allowed('notes.write')) {
    notes.push({ id: `n${notes.length + 1}`, ...JSON.parse(body) });
    return answer(response, 201, { id: notes.at(-1).id });
  }
  return answer(response, 403, { error: 'insufficient_scope' });
}

// The server takes a body that was read before it.
async function id(request, response) {
  const body = Object.fromEntries(new URLSearchParams(await read(request)));
  note('id.provider.test', request, body);
  if (request.method === 'POST') request.body = body;
  server(request, response);
}

await serve(
  { 'id.provider.test': id, 'api.provider.test': api },
  {
    // As if their time had run out.
    'expire-access-tokens': async () => {
      for (const token of tokens) await token.destroy();
      tokens.clear();
    },
  },
);
