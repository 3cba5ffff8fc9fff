/**
 * A cluster in Docker (README.md). Usage: node main.ts up|down [--dry-run], which prints every
 * command and runs none.
 */
import { endCommandsWithProcess } from '../lab/command.ts';
import { resolveKindFolder } from '../lab/paths.ts';
import { bringDown, bringUp, showDown, showUp } from './run.ts';

async function run(args: readonly string[]): Promise<number> {
  const isDry = args.includes('--dry-run');
  const [command, ...others] = args.filter((one) => one !== '--dry-run');
  const folder = resolveKindFolder(process.env);
  if (others.length === 0 && command === 'up') {
    if (isDry) console.log(await showUp(folder, process.env));
    else await bringUp(folder, process.env);
    return 0;
  }
  if (others.length === 0 && command === 'down') {
    if (isDry) console.log(showDown(folder));
    else await bringDown(folder);
    return 0;
  }
  console.error('Usage: node bootstrap/kind/main.ts up|down [--dry-run]');
  return 2;
}

endCommandsWithProcess();
try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
