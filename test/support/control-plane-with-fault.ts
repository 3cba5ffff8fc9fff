/**
 * The control plane as main.ts runs it, but one that sends itself a signal at a given point of the
 * writer: the first time a batch with operations gets there. Arguments: the point, the signal, from
 * when on (`now`, or once it got SIGUSR2), and what main.ts takes.
 */
import { readConfig } from '../../control-plane/src/config.ts';
import { startControlPlane } from '../../control-plane/src/main.ts';
import { readParts } from '../../control-plane/src/parts/list.ts';

const [point, signal, from, ...args] = process.argv.slice(2);
const parts = readParts(args);
if (!parts.ok) throw new Error(parts.message);
const read = readConfig(process.env, parts.parts);
if (!read.ok) throw new Error(read.problems.join('\n'));
let isArmed = from === 'now';
process.on('SIGUSR2', () => (isArmed = true));
const running = await startControlPlane(read.config, {
  fault: (reached, operations) => {
    if (!isArmed || reached !== point || operations === 0) return;
    isArmed = false;
    process.kill(process.pid, signal);
  },
});
process.on('SIGTERM', () => void running.stop());
