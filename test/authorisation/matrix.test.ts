/**
 * Every route × everybody × own and other tenant, by real requests, from the one list of routes.
 * The outcomes are written to test/.artefacts/authorisation.txt, a row per route.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROBLEMS, type ProblemCode } from '../../control-plane/src/http/problem.ts';
import type { createRoutes } from '../../control-plane/src/http/app.ts';
import type { Policy } from '../../control-plane/src/http/auth.ts';
import { PASSWORD, type Reply } from '../api/support.ts';
import { SAMPLES, type Sample } from './samples.ts';
import {
  CALLERS,
  createWorld,
  TENANTS,
  type Caller,
  type Shown,
  type Side,
  type World,
} from './world.ts';

/** Who each policy lets in, said again here on purpose: a slip in the table shows. */
const LETS_IN: Readonly<Record<Policy, readonly Caller[]>> = {
  anyone: ['anyone', 'guest', 'viewer', 'member', 'owner', 'operator', 'token', 'stranger'],
  known: ['guest', 'viewer', 'member', 'owner', 'operator', 'token', 'stranger'],
  user: ['guest', 'viewer', 'member', 'owner', 'operator', 'stranger'],
  reader: ['viewer', 'member', 'owner', 'operator', 'token', 'stranger'],
  writer: ['member', 'owner', 'operator', 'token', 'stranger'],
  owner: ['owner', 'operator', 'token', 'stranger'],
  operator: ['operator'],
};

const UNKNOWN: Readonly<Record<string, string>> = {
  '/api/stores/': 'st_aaaaaaaaaaaaaaaa',
  '/api/changes/': 'a'.repeat(40),
  '/api/members/': 'usr_aaaaaaaaaaaaaaaa',
  '/api/invitations/': 'inv_aaaaaaaaaaaaaaaa',
  '/api/tokens/': 'tok_aaaaaaaaaaaaaaaa',
  '/api/sessions/': 'ses_aaaaaaaaaaaaaaaa',
  '/api/tenants/': 'aaaaaa',
  '/api/rollouts/': 'ro_aaaaaaaaaaaaaaaa',
};

let world: World;
const rows = new Map<string, Map<string, string>>();

beforeAll(async () => {
  world = await createWorld();
  for (const caller of ['guest', 'viewer', 'member', 'owner', 'operator', 'stranger'] as const)
    await world.ask(await world.become(caller), 'POST', '/api/confirm', { password: PASSWORD });
});
afterAll(async () => {
  writeTable();
  await world.close();
});

test('every route has a sample with its policy, and there are no others (reliability 16)', () => {
  expect(
    world.api.routes.map(
      ({ method, path, policy, recent = false }) => `${method} ${path}: ${policy} ${recent}`,
    ),
  ).toEqual(
    expect.arrayContaining(
      Object.entries(SAMPLES).map(
        ([route, { policy, recent = false }]) => `${route}: ${policy} ${recent}`,
      ),
    ),
  );
  const routes = world.api.routes.map(({ method, path }) => `${method} ${path}`);
  expect(routes.toSorted()).toEqual(Object.keys(SAMPLES).toSorted());
});

test('a route without a policy cannot be made (reliability 16)', () => {
  type Made = ReturnType<typeof createRoutes>[number];
  // @ts-expect-error: `policy` is missing; `npm run check` fails should this ever compile.
  const route: Made = { method: 'GET', path: '/x', summary: '', answers: {}, run: () => null };
  expect(route).not.toHaveProperty('policy');
});

describe.each(Object.entries(SAMPLES))('%s (reliability 16)', (route, sample) => {
  const sides: readonly Side[] =
    sample.target === undefined || sample.isAnybodys === true ? ['own'] : ['own', 'other'];

  test.each(CALLERS.flatMap((caller) => sides.map((side) => [caller, side] as const)))(
    '%s, %s',
    async (caller, side) => {
      // The stranger's own side is what the others' other side is: asked for once.
      if (caller === 'stranger' && side === 'other') return;
      const id = await sample.target?.(world, side, caller);
      const shown = await world.become(caller, { anew: sample.usesUpSession === true });
      const before = await world.snapshot();
      const reply = await ask(route, sample, caller, side, id ?? '', shown);
      note(route, caller, side, reply);
      const expected = expectOutcome(route, sample, caller, side);
      if (typeof expected === 'number') expect(reply.status, reply.text).toBe(expected);
      else if (expected === 'done')
        expect([200, 201, 202, 204], reply.text).toContain(reply.status);
      else {
        expect(reply.body['code'], reply.text).toBe(expected);
        expect(reply.status).toBe(PROBLEMS[expected as ProblemCode][0]);
      }
      if (expected === 'done') return;
      expect(await world.snapshot()).toBe(before);
      if (expected !== 'not_found' || sample.target === undefined) return;
      const none = nameUnknown(route) ?? id ?? '';
      const unknown = await ask(route, sample, caller, side, none, shown);
      expect({ ...reply.body, instance: '' }).toEqual({ ...unknown.body, instance: '' });
    },
  );
});

test('what needs the password again is refused without, whatever the role', async () => {
  for (const [route, sample] of Object.entries(SAMPLES)) {
    if (sample.recent !== true) continue;
    const id = await sample.target?.(world, 'own', 'owner');
    const shown = await world.become('owner', { anew: true });
    const reply = await ask(route, sample, 'owner', 'own', id ?? '', shown);
    expect(reply.body, route).toMatchObject({ code: 'confirmation_needed' });
  }
});

/** What must come of it, from the policy and whose the thing is. */
function expectOutcome(route: string, sample: Sample, caller: Caller, side: Side): number | string {
  const { policy, target } = sample;
  if (!LETS_IN[policy].includes(caller)) return caller === 'anyone' ? 'unauthorized' : 'forbidden';
  // A token cannot prove who holds it.
  if (sample.recent === true && caller === 'token') return 'confirmation_needed';
  const exception = sample.exceptions?.[caller];
  if (exception !== undefined) return exception;
  const isForeign =
    target !== undefined &&
    sample.isAnybodys !== true &&
    // Personal things of `own` are the caller's, whoever it is.
    (sample.isPersonal === true ? side === 'other' : (caller === 'stranger') === (side === 'own'));
  if (isForeign && (caller !== 'operator' || sample.isPersonal === true)) return 'not_found';
  return sample.answer ?? 'done';
}

function ask(
  route: string,
  sample: Sample,
  caller: Caller,
  side: Side,
  id: string,
  shown: Shown,
): Promise<Reply> {
  const [method = '', path = ''] = route.split(' ');
  const named =
    sample.operatorNamesTenant === true && caller === 'operator' ? `tenant=${TENANTS[side]}` : '';
  const query = [sample.query ?? '', named].filter((one) => one !== '').join('&');
  const address = path.replace(/\{\w+\}/, id) + (query === '' ? '' : `?${query}`);
  return world.ask(shown, method, address, sample.body?.(world, caller));
}

function nameUnknown(route: string): string | undefined {
  const path = route.split(' ')[1] ?? '';
  return Object.entries(UNKNOWN).find(([prefix]) => path.startsWith(prefix))?.[1];
}

function note(route: string, caller: Caller, side: Side, reply: Reply): void {
  const row = rows.get(route) ?? new Map<string, string>();
  rows.set(route, row);
  row.set(`${caller} ${side}`, String(reply.status));
}

/** Rows of `own/other`, in the order of the routes. */
function writeTable(): void {
  const folder = join(import.meta.dirname, '../.artefacts');
  mkdirSync(folder, { recursive: true });
  const widest = Math.max(...Object.keys(SAMPLES).map((route) => route.length));
  const line = (cells: readonly string[], route: string, policy: string) =>
    [route.padEnd(widest), policy.padEnd(9), ...cells.map((cell) => cell.padEnd(9))]
      .join(' ')
      .trimEnd();
  const lines = world.api.routes.map(({ method, path, policy }) => {
    const route = `${method} ${path}`;
    const cells = CALLERS.map((caller) =>
      (['own', 'other'] as const)
        .flatMap((side) => rows.get(route)?.get(`${caller} ${side}`) ?? [])
        .join('/'),
    );
    return line(cells, route, policy);
  });
  const title = line(CALLERS, 'route (status for own/other tenant’s)', 'policy');
  writeFileSync(join(folder, 'authorisation.txt'), [title, ...lines, ''].join('\n'));
}
