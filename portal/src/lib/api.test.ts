import { expect, test } from 'vitest';
import { answerWithin, askApi, pathOfSignIn, readProblem } from './api.ts';

const answer = (status: number, body: string, headers: Record<string, string> = {}) =>
  askApi(() => Promise.resolve(new Response(body, { status, headers })), '/api/stores');

test('what the API refuses comes back field by field', async () => {
  const body = JSON.stringify({
    detail: 'name: At most 40 characters.',
    code: 'invalid_request',
    instance: 'req_1',
    errors: [
      { field: 'name', message: 'At most 40 characters.' },
      { field: 'name', message: 'Lower-case letters only.' },
    ],
  });
  expect(await answer(400, body)).toEqual({
    ok: false,
    status: 400,
    problem: {
      code: 'invalid_request',
      message: 'name: At most 40 characters.',
      hint: null,
      fields: { name: 'At most 40 characters.' },
      retryAfter: null,
      request: null,
    },
  });
});

test('a limit says when it is worth trying again', async () => {
  const limited = await answer(429, '{"detail":"Too fast.","code":"slow"}', {
    'Retry-After': '40',
  });
  expect(limited.ok ? null : limited.problem.retryAfter).toBe(40);
});

test('an answer that is no JSON is still an answer', async () => {
  const broken = await answer(502, '<h1>Bad gateway</h1>');
  expect(broken.ok ? null : [broken.status, broken.problem.code]).toEqual([502, 'http_502']);
});

test('no answer at all is said in words', async () => {
  const none = await askApi(() => Promise.reject(new TypeError('fetch failed')), '/api/stores');
  expect(none.ok ? null : [none.status, none.problem.code]).toEqual([503, 'unreachable']);
});

test('an answer that is on its way for ever is none', async () => {
  const lost = await answerWithin(1, new Promise<never>(() => undefined));
  expect(lost.ok ? null : lost.problem.code).toBe('unreachable');
  const here = { ok: true, status: 200, data: 1 } as const;
  expect(await answerWithin(60_000, Promise.resolve(here))).toBe(here);
});

test('the number of a request is told when the fault is ours', () => {
  expect(readProblem({ instance: 'req_1' }, 500, null).request).toBe('req_1');
  expect(readProblem({ instance: 'req_1' }, 401, null).request).toBeNull();
});

test('the sign-in knows the way back, without the data requests’ own parameters', () => {
  const at = (path: string) => pathOfSignIn(new URL(path, 'https://yard.example.com'));
  expect(at('/')).toBe('/sign-in');
  expect(at('/stores?q=a&x-sveltekit-invalidated=01')).toBe('/sign-in?to=%2Fstores%3Fq%3Da');
});
