/** The conductor: carries rollouts on. It runs beside the writer, whom it gives work; one at a time. */
import { createAcceptor } from '../db/accept.ts';
import { startLoop } from '../reconcile/loop.ts';
import { createConductor } from '../reconcile/rollouts.ts';
import { refuseTrouble, type Shared } from './shared.ts';

export async function startConductor(shared: Shared): Promise<void> {
  const { config, logger, clock, ids, links, probes, cleanup, clusters } = shared;
  const db = await shared.database();
  const { engines } = await shared.templates();
  const conductor = createConductor({
    db,
    clock,
    logger,
    engines,
    clusters,
    acceptor: createAcceptor({
      db,
      clock,
      ids,
      offer: { engines, clusters },
      deadlineMs: config.SHOPYARD_DEADLINE_SECONDS * 1_000,
    }),
    onQueued: () => links.queued(),
  });
  const loop = startLoop(db, shared.holder, logger, conductor, shared.loopMeasure('conductor'));
  cleanup.defer(() => loop.stop());
  // Stores live without it: only upgrades in waves wait.
  probes.push({ name: 'conductor', vital: false, check: () => refuseTrouble(loop.trouble()) });
}
