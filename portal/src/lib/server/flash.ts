/**
 * One message for the next page: a form action ends in a redirect, and the page it leads to says
 * what happened. A cookie carries it, so that it works without JavaScript too.
 */
import type { Cookies } from '@sveltejs/kit';

export type Flash = { readonly kind: 'done' | 'problem'; readonly message: string };

const COOKIE = 'flash';

export function setFlash(cookies: Cookies, url: URL, flash: Flash): void {
  cookies.set(COOKIE, JSON.stringify(flash), {
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    maxAge: 60,
    secure: url.protocol === 'https:',
  });
}

/** Reads the message and forgets it. */
export function takeFlash(cookies: Cookies): Flash | null {
  const text = cookies.get(COOKIE);
  if (text === undefined) return null;
  cookies.delete(COOKIE, { path: '/' });
  try {
    const { kind, message } = JSON.parse(text) as Partial<Flash>;
    if (typeof message !== 'string' || message.length > 300) return null;
    return { kind: kind === 'problem' ? 'problem' : 'done', message };
  } catch {
    return null;
  }
}
