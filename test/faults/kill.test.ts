/** Row 1: writers and git servers are killed at every step; what was accepted happens once. */
import { expect, test } from 'vitest';
import { createRandom } from '../../control-plane/src/forge/testing.ts';
import type { ControlPlaneProcess } from '../support/control-plane-process.ts';
import { announceSeed, choosePatience, chooseRounds, tally } from './tally.ts';
import { openYard, type Yard } from './yard.ts';

/** Yards side by side: a round is mostly waiting for the lease of the killed one to end. */
const LANES = chooseRounds({ short: 2, full: 3 });
/** Short: every victim once, the lanes one half each. */
const ROUNDS = chooseRounds({ short: 3, full: 67 });
/** From the kill until what was accepted is committed and known to be. */
const WORKING_AGAIN_MS = choosePatience(10_000);

/**
 * Four points of the writer at which it ends itself, any moment by somebody else's hand, and the
 * git server, whose moments lie between objects written and branch moved.
 */
const VICTIMS = [
  'accepted',
  'before-push',
  'after-push',
  'acknowledged',
  'any-moment',
  'git-server',
] as const;
type Victim = (typeof VICTIMS)[number];

type Random = ReturnType<typeof createRandom>;
type Lane = {
  readonly yard: Yard;
  readonly random: Random;
  /** Where in the list of victims it begins. */
  readonly offset: number;
  /** Ids of stores to change. */
  readonly living: string[];
};

const isPoint = (victim: Victim) => victim !== 'any-moment' && victim !== 'git-server';

test(
  'row 1: killed with −9 at every step, every accepted operation is applied exactly once',
  { timeout: 1_500_000 },
  async ({ task }) => {
    const seed = announceSeed('kills');
    const lanes = await Promise.all(
      Array.from({ length: LANES }, (_, index) => runLane(seed, index)),
    );
    const kills = lanes.flatMap((lane) => lane.times);
    const operations = lanes.reduce((sum, lane) => sum + lane.operations, 0);
    const slowest = Math.max(...kills) / 1_000;
    tally(task, {
      done: `${kills.length} kills, ${operations} operations, working again after at most ${slowest.toFixed(1)} s`,
      seed,
    });
    expect(kills).toHaveLength(LANES * ROUNDS);
  },
);

async function runLane(
  seed: number,
  index: number,
): Promise<{ times: number[]; operations: number }> {
  const yard = await openYard();
  try {
    const offset = index * (VICTIMS.length / 2);
    const lane: Lane = { yard, random: createRandom(seed + index), offset, living: [] };
    const times: number[] = [];
    let next = chooseVictim(lane, 0);
    let writer = await start(lane, next);
    for (let round = 0; round < ROUNDS; round += 1) {
      const victim = next;
      next = chooseVictim(lane, round + 1);
      // The one that takes over is up before the other is killed, as a second replica is.
      const standBy = victim === 'git-server' ? writer : await start(lane, next);
      times.push(await killOnce(lane, { victim, writer, round }));
      console.log(`${index}/${round}: ${victim}, ${times.at(-1)?.toFixed(0) ?? ''} ms`);
      if (victim === 'git-server' && isPoint(next)) {
        // This one was not told to end itself.
        await writer.stop();
        writer = await start(lane, next);
      } else writer = standBy;
    }
    return { times, operations: await yard.expectExactlyOnce() };
  } catch (error) {
    console.error(await yard.readLog());
    throw error;
  } finally {
    await yard.close();
  }
}

function chooseVictim({ offset }: Lane, round: number): Victim {
  return VICTIMS[(offset + round) % VICTIMS.length] ?? 'any-moment';
}

function start({ yard }: Lane, victim: Victim): Promise<ControlPlaneProcess> {
  return yard.startWriter(isPoint(victim) ? { fault: victim, faultFrom: 'SIGUSR2' } : {});
}

/** Sends requests, kills, waits until all of them are done; returns how long that took. */
async function killOnce(
  lane: Lane,
  {
    victim,
    writer,
    round,
  }: {
    readonly victim: Victim;
    readonly writer: ControlPlaneProcess;
    readonly round: number;
  },
): Promise<number> {
  const { yard, random } = lane;
  await yard.advanceDeletes();
  // Not before: it has to deal with what the last one left.
  if (isPoint(victim)) process.kill(writer.pid, 'SIGUSR2');
  const sent = sendRequests(lane, round);
  if (victim === 'git-server') {
    await pause(random(60));
    const { pid } = yard.repository.forge;
    if (pid !== null) process.kill(pid, 'SIGKILL');
  } else {
    if (victim === 'any-moment') await pause(random(120));
    // Unless it has lost its lease to the other, it ends itself.
    else await Promise.race([writer.ended, sent.then(() => yard.untilSettled())]);
    await writer.kill();
  }
  const killedAt = performance.now();
  await sent;
  await yard.untilSettled();
  const took = performance.now() - killedAt;
  expect(took, `${victim}: working again`).toBeLessThan(WORKING_AGAIN_MS);
  return took;
}

/** Creates, and some of everything else, at once. */
async function sendRequests({ yard, random, living }: Lane, round: number): Promise<void> {
  const created = Array.from({ length: 1 + random(3) }, (_, index) => `r${round}-${index}`);
  const [changed, retried, removed] = [0, 1, 2].map(
    () => living.splice(random(living.length), 1)[0],
  );
  const send = async (method: string, id: string, more: { path?: string; body?: object } = {}) => {
    const { path = '', body } = more;
    const reply = await yard.api.request(
      method,
      `/api/stores/${id}${path}`,
      body === undefined ? {} : { body },
    );
    // 200: it is as it was asked to be.
    expect([200, 202], reply.text).toContain(reply.status);
    if (method !== 'DELETE') living.push(id);
  };
  const requests = created.map(async (name) => {
    const { store } = await yard.create(name);
    living.push(store.id);
  });
  const plan = ['small', 'medium', 'large'][random(3)];
  if (changed !== undefined) requests.push(send('PATCH', changed, { body: { plan } }));
  if (retried !== undefined) requests.push(send('POST', retried, { path: '/retry' }));
  if (removed !== undefined)
    if (random(3) === 0) requests.push(send('DELETE', removed));
    else living.push(removed);
  await Promise.all(requests);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
