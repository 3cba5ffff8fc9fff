/**
 * The embedded forge's process: serves until its control plane says stop, or is gone. Signals are
 * the control plane's to answer: it ends this process after the last push.
 */
import { describeError, PlatformError } from '../errors.ts';
import type { FromForge, ToForge } from './server-messages.ts';
import { ForgeServer } from './server.ts';

function tell(message: FromForge): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

let server: ForgeServer | null = null;

async function start(settings: Extract<ToForge, { kind: 'start' }>['settings']): Promise<void> {
  server = new ForgeServer({
    ...settings,
    onPush: (notice) => tell({ kind: 'pushed', notice }),
    log: {
      info: (message) => tell({ kind: 'log', level: 'info', message }),
      warn: (message) => tell({ kind: 'log', level: 'warn', message }),
    },
  });
  try {
    await server.start();
    tell({ kind: 'started', port: server.port });
  } catch (error) {
    const { code, retryable, hint, field } =
      error instanceof PlatformError ? error : new PlatformError('forge_failed', '');
    tell({ kind: 'failed', code, message: describeError(error), retryable, hint, field });
    process.disconnect();
  }
}

async function stop(): Promise<void> {
  await server?.stop();
  process.exit(0);
}

process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('disconnect', () => void stop());
process.on('message', (message: ToForge) => {
  void (message.kind === 'start' ? start(message.settings) : stop());
});
