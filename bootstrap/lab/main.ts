/**
 * The lab: a real cluster without Docker (README.md). Usage: node main.ts up|down|status|build
 * (`keep` is what the lab itself starts for its volumes and logs).
 */
import { bringDown } from './down.ts';
import { runKeeper } from './keeper.ts';
import { layOut } from './layout.ts';
import { withLock } from './lock.ts';
import type { LabContext } from './parts.ts';
import { resolveLabPaths } from './paths.ts';
import { readLabSettings } from './settings.ts';
import { showStatus } from './status.ts';
import { bringUp, buildLab } from './up.ts';

async function run(command: string | undefined): Promise<number> {
  const paths = resolveLabPaths(process.env);
  const layout = layOut(paths);
  const context: LabContext = { paths, layout, settings: readLabSettings(process.env) };
  switch (command) {
    case 'up':
      await withLock(layout, () => bringUp(context));
      return 0;
    case 'down':
      await withLock(layout, () => bringDown(context));
      return 0;
    case 'status':
      return (await showStatus(context)) ? 0 : 1;
    case 'build':
      await buildLab(context);
      return 0;
    case 'keep':
      await runKeeper(layout);
      return 0;
    default:
      console.error('Usage: node bootstrap/lab/main.ts up|down|status|build');
      return 2;
  }
}

try {
  process.exitCode = await run(process.argv[2]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
