/**
 * The portal's server side: who asks, what may be seen without a session, and the way to the API.
 * A server-side `fetch('/api…')` goes to the control plane as the visitor: with their cookies,
 * their origin, their browser and their address; cookies that the API sets travel back to the browser.
 */
import { redirect } from '@sveltejs/kit';
import type { Handle, HandleFetch, HandleServerError } from '@sveltejs/kit/hooks';
import { SHOPYARD_API_URL, SHOPYARD_PORTAL_SECRET } from '$app/env/private';
import { askApi, pathOfSignIn, refuse } from '#lib/api.ts';
import type { Me } from '#lib/shapes.ts';
import { readTheme } from '#lib/theme.ts';

export const handle: Handle = async ({ event, resolve }) => {
  event.locals.me = null;
  event.locals.setCookies = [];
  if (event.request.headers.has('cookie')) event.locals.me = await findMe(event.fetch);
  if (event.locals.me === null && event.route.id?.startsWith('/(app)') === true)
    redirect(303, pathOfSignIn(event.request.method === 'GET' ? event.url : null));

  const theme = readTheme(event.cookies.get('theme'));
  const response = await resolve(event, {
    transformPageChunk: ({ html }) => html.replace('%shopyard.theme%', theme),
    // Scripts are not hurried: preloaded, they were fetched, compiled and run before the first paint.
    preload: (file) =>
      file.type === 'css' ||
      (file.type === 'font' && file.filename.endsWith('inter-latin-wght-normal.woff2')),
  });
  for (const cookie of event.locals.setCookies) response.headers.append('Set-Cookie', cookie);
  // A page shows what its visitor may see now: nothing of it is kept by anyone.
  if (!response.headers.has('Cache-Control'))
    response.headers.set('Cache-Control', 'private, no-store');
  return response;
};

async function findMe(fetch: typeof globalThis.fetch): Promise<Me | null> {
  const answer = await askApi<Me>(fetch, '/api/me');
  if (answer.ok) return answer.data;
  if (answer.status === 401 || answer.status === 403) return null;
  return refuse(answer.status, answer.problem);
}

export const handleFetch: HandleFetch = async ({ event, request, fetch }) => {
  const url = new URL(request.url);
  if (url.origin !== event.url.origin || !url.pathname.startsWith('/api/')) return fetch(request);
  const headers = new Headers(request.headers);
  headers.set('Origin', event.url.origin);
  headers.set('X-Forwarded-For', event.getClientAddress());
  headers.set('X-Shopyard-Portal', SHOPYARD_PORTAL_SECRET);
  for (const name of ['Cookie', 'User-Agent']) {
    const value = event.request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const response = await globalThis.fetch(`${SHOPYARD_API_URL}${url.pathname}${url.search}`, {
    method: request.method,
    headers,
    redirect: 'manual',
    signal: request.signal,
    ...(request.body === null ? {} : { body: await request.arrayBuffer() }),
  });
  event.locals.setCookies.push(...response.headers.getSetCookie());
  return response;
};

export const handleError: HandleServerError = ({ kind, error, event }) => {
  if (kind !== 'unknown') return;
  console.error(`${event.request.method} ${event.url.pathname}`, error);
  return {
    message: 'Something went wrong on our side.',
    hint: 'Your shops are not affected. Try again; if it stays, tell the operator.',
  };
};
