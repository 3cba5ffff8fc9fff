/**
 * One message for the next page: a form action ends in a redirect, and the page it leads to says
 * what happened. A cookie carries it, so that it works without JavaScript too.
 */
import { randomUUID } from 'node:crypto';
import type { Cookies } from '@sveltejs/kit';
import { FLASH_COOKIE as COOKIE, type Flash } from '../flash-cookie.ts';

export function setFlash(cookies: Cookies, url: URL, flash: Omit<Flash, 'id'>): void {
  cookies.set(COOKIE, JSON.stringify({ ...flash, id: randomUUID() }), {
    path: '/',
    // Whoever shows it forgets it.
    httpOnly: false,
    sameSite: 'lax',
    maxAge: 60,
    secure: url.protocol === 'https:',
  });
}

/**
 * Reads the message, and forgets it with a document. What a page asks for beside may be dropped when
 * something newer is asked for: such a page forgets it when it shows it (Toasts.svelte).
 */
export function takeFlash(cookies: Cookies, isDataRequest: boolean): Flash | null {
  const text = cookies.get(COOKIE);
  if (text === undefined) return null;
  if (!isDataRequest) cookies.delete(COOKIE, { path: '/' });
  try {
    const { id, kind, message } = JSON.parse(text) as Partial<Flash>;
    if (typeof message !== 'string' || message.length > 300) return null;
    return { id: String(id), kind: kind === 'problem' ? 'problem' : 'done', message };
  } catch {
    return null;
  }
}
