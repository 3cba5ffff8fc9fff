import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { layOut } from './layout.ts';
import { withLock } from './lock.ts';

const layout = layOut({ cache: '', bin: '', images: '', lab: `/nowhere/lab-${process.pid}` });
const onLinux = process.platform === 'linux';

test.runIf(onLinux)('turns a second command away while the first is at work', async () => {
  await withLock(layout, async () => {
    await expect(withLock(layout, () => Promise.resolve())).rejects.toThrow(
      `Another lab command is at work (process ${process.pid})`,
    );
  });
  let ran = false;
  await withLock(layout, () => {
    ran = true;
    return Promise.resolve();
  });
  expect(ran).toBe(true);
});

const HOLD = `
  const { withLock } = await import(${JSON.stringify(new URL('lock.ts', import.meta.url).href)});
  await withLock(${JSON.stringify(layout)}, async () => {
    console.log('held');
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  });
`;

test.runIf(onLinux)('of many that find a killed command’s lock, one takes it', async () => {
  const killed = spawn(process.execPath, ['--input-type=module', '-e', HOLD], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(killed.stdout, 'data');
  const attempt = () => withLock(layout, () => Promise.resolve());
  await expect(attempt()).rejects.toThrow(`(process ${killed.pid})`);
  killed.kill('SIGKILL');
  await once(killed, 'exit');

  const endings = await Promise.allSettled([attempt(), attempt(), attempt(), attempt()]);
  expect(endings.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});
