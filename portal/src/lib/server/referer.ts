/** Ways back that stay on this site. */

/** The page that a form without a page of its own was sent from. */
export function pathOfReferer(request: Request, url: URL): string {
  const referer = request.headers.get('referer');
  if (referer === null || !URL.canParse(referer)) return '/';
  const from = new URL(referer);
  return from.origin === url.origin ? from.pathname + from.search : '/';
}

/** The page to go to after signing in: a path of ours, never another site's address. */
export function readWayBack(url: URL): string {
  const to = url.searchParams.get('to') ?? '/';
  const target = URL.canParse(to, url.origin) ? new URL(to, url.origin) : null;
  const path = target !== null && target.origin === url.origin ? target.pathname : '';
  // Two slashes would name a host: a path may come to that by its dots.
  return to.startsWith('/') && path.startsWith('/') && !path.startsWith('//')
    ? path + (target?.search ?? '')
    : '/';
}
