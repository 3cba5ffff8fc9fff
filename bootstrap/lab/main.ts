/**
 * The lab: a real cluster without Docker (README.md). Usage: node main.ts up|down|status|build
 * (`keep` is what the lab itself starts for its volumes and logs).
 */
import { endCommandsWithProcess } from './command.ts';
import { layOut } from './layout.ts';
import { withLock } from './lock.ts';
import type { LabContext } from './parts.ts';
import { resolveLabPaths } from './paths.ts';
import { readLabSettings } from './settings.ts';

async function run(command: string | undefined): Promise<number> {
  const paths = resolveLabPaths(process.env);
  const layout = layOut(paths);
  const context: LabContext = { paths, layout, settings: readLabSettings(process.env) };
  // Each command loads what it needs: the keeper stays small, and `down` works in a checkout whose
  // dependencies are not installed.
  switch (command) {
    case 'up': {
      const { bringUp } = await import('./up.ts');
      await withLock(layout, () => bringUp(context));
      return 0;
    }
    case 'down': {
      const { bringDown } = await import('./down.ts');
      await withLock(layout, () => bringDown(context));
      return 0;
    }
    case 'status': {
      const { showStatus } = await import('./status.ts');
      return (await showStatus(context)) ? 0 : 1;
    }
    case 'build': {
      const { buildLab } = await import('./up.ts');
      await buildLab(context);
      return 0;
    }
    case 'keep': {
      const { runKeeper } = await import('./keeper.ts');
      await runKeeper(layout);
      return 0;
    }
    default:
      console.error('Usage: node bootstrap/lab/main.ts up|down|status|build');
      return 2;
  }
}

endCommandsWithProcess();
try {
  process.exitCode = await run(process.argv[2]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
