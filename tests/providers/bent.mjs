// A lenient authorization server that nobody here wrote, oauth2-mock-server, bent to how Zoho answers: errors come with
// status 200, each answer names the API's host, and no refresh token but the first is given out.
import crypto from 'node:crypto';
import { OAuth2Service, OAuth2Issuer } from 'oauth2-mock-server';
import { answer, note, plan, read, serve } from './server.mjs';

const accounts = 'accounts.zoho.eu';
const issuer = new OAuth2Issuer();
issuer.url = `https://${accounts}`;
await issuer.keys.generate('RS256');
const service = new OAuth2Service(issuer, { token: '/oauth/v2/token', authorize: '/oauth/v2/auth', revoke: '/oauth/v2/revoke/token' });

// Everything that lives at this provider.
const access = new Set();
const refresh = new Set();
let throttled = false;

service.on('beforeAuthorizeRedirect', ({ url }) => {
  url.searchParams.set('location', 'eu');
  url.searchParams.set('accounts-server', `https://${accounts}`);
});

// No two tokens of one second are the same, as they would be without this.
service.on('beforeTokenSigning', (token) => { token.payload.jti = crypto.randomUUID(); });

service.on('beforeResponse', (response, request) => {
  note(accounts, request, request.body);
  response.statusCode = 200;
  const asked = request.body;
  if (throttled) {
    response.statusCode = 400;
    response.body = { error: 'Access Denied', error_description: 'You have made too many requests continuously.', status: 'failure' };
  } else if (asked.client_id !== plan.client_id || asked.client_secret !== plan.client_secret) {
    response.body = { error: 'invalid_client' };
  } else if (asked.grant_type === 'refresh_token' && !refresh.has(asked.refresh_token)) {
    response.body = { error: 'invalid_code' };
  } else {
    const { access_token, refresh_token } = response.body;
    access.add(access_token);
    response.body = { access_token, api_domain: 'https://www.zohoapis.eu', token_type: 'Bearer', expires_in: 3600 };
    if (asked.grant_type === 'authorization_code') {
      refresh.add(refresh_token);
      response.body = { ...response.body, refresh_token, scope: plan.scopes };
    }
  }
});

async function api(request, response) {
  note('www.zohoapis.eu', request, await read(request));
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  if (scheme !== 'Zoho-oauthtoken' || !access.has(token)) {
    return answer(response, 401, { code: 'INVALID_TOKEN', details: {}, message: 'invalid oauth token', status: 'error' });
  }
  const path = new URL(request.url, 'https://www.zohoapis.eu').pathname;
  if (path === '/crm/v8/org') return answer(response, 200, { org: [{ zgid: '4001', company_name: 'Bent Ltd', type: 'Production' }] });
  if (path === '/crm/v8/users') return answer(response, 200, { users: [{ id: '5001' }] });
  if (path === '/crm/v8/Leads') return answer(response, 200, { data: [{ id: '1', Last_Name: 'Bent' }], info: { more_records: false } });
  return answer(response, 404, { code: 'INVALID_URL_PATTERN', details: {}, message: 'no such path', status: 'error' });
}

await serve(
  { [accounts]: service.requestHandler, 'www.zohoapis.eu': api },
  {
    'expire-access-tokens': () => access.clear(),
    'end-grants': () => refresh.clear(),
    throttle: () => { throttled = true; },
    'let-through': () => { throttled = false; },
  },
);
