/**
 * The control plane as main.ts runs it, but one that ends itself with SIGKILL at a given point of
 * the writer: the first time a batch with operations gets there. Argument: the point.
 */
import { readConfig } from '../../control-plane/src/config.ts';
import { startControlPlane } from '../../control-plane/src/main.ts';

const [point] = process.argv.slice(2);
const read = readConfig(process.env);
if (!read.ok) throw new Error(read.problems.join('\n'));
await startControlPlane(read.config, {
  fault: (reached, operations) => {
    if (reached === point && operations > 0) process.kill(process.pid, 'SIGKILL');
  },
});
