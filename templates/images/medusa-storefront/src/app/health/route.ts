export const dynamic = 'force-dynamic';

/** Whether this process answers; the backend has a probe of its own. */
export function GET(): Response {
  return new Response('OK');
}
