/** The contract on the practice cluster, fifteen times as fast as the lab. */
import { startPracticeCluster } from '../../bootstrap/practice/cluster.ts';
import { connectCluster } from '../../control-plane/src/cluster/connection.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { testContract } from './contract.ts';
import { openSubject } from './subject.ts';

const SPEED = 15;
const webhookSecret = 'contract-webhook-secret';

testContract(() =>
  openSubject({
    cluster: 'practice',
    forge: { port: 0, readPassword: 'contract-read-pass', writePassword: 'contract-write-pass' },
    allow: (seconds) => 15_000 + (2_000 * seconds) / SPEED,
    start: async (repository, dir) => {
      const cluster = await startPracticeCluster({
        dir,
        cluster: 'practice',
        repository,
        webhookSecret,
        speed: SPEED,
        logger: createLogger('silent'),
      });
      return {
        connection: connectCluster(cluster.kubeconfig),
        webhookUrl: cluster.webhookUrl,
        webhookSecret,
        stop: () => cluster.stop(),
      };
    },
  }),
);
