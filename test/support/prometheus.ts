/** Prometheus and promtool: those that are installed, else out of Debian's package. */
import { spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPrograms } from './debian-programs.ts';
import { findFreePort } from './free-port.ts';

export type Programs = { readonly promtool: string; readonly prometheus: string };

/** The programs, or one sentence that says why there are none. */
export function findPrometheus(): Promise<Programs | string> {
  return findPrograms('prometheus', ['promtool', 'prometheus']);
}

export type Series = {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
};

export type Prometheus = {
  /** An instant query, now; throws what Prometheus says against it. */
  query(expression: string): Promise<readonly Series[]>;
  /** Of its API, below `/api/v1/`: what is in `data`. */
  read(path: string): Promise<unknown>;
  stop(): Promise<void>;
};

export type Target = {
  readonly target: string;
  readonly job: string;
  readonly labels?: Readonly<Record<string, string>>;
};

/** Starts one that scrapes these targets every two seconds, and gives each as long, by these rules. */
export async function startPrometheus(
  programs: Programs,
  options: { readonly targets: readonly Target[]; readonly rules: string },
): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-prometheus-'));
  const config = join(folder, 'prometheus.yaml');
  const port = await findFreePort();
  // JSON is YAML too.
  await writeFile(
    config,
    JSON.stringify({
      global: { scrape_interval: '2s', evaluation_interval: '1s' },
      rule_files: [options.rules],
      scrape_configs: options.targets.map(({ target, job, labels = {} }) => ({
        job_name: job,
        static_configs: [{ targets: [target], labels }],
      })),
    }),
  );
  const log = join(folder, 'log');
  const output = await open(log, 'a');
  const child = spawn(
    programs.prometheus,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { cwd: folder, stdio: ['ignore', output.fd, output.fd] },
  );
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const read = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const body = (await response.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== 'success') throw new Error(`${path}: ${body.error ?? response.status}`);
    return body.data;
  };
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
    await output.close();
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + 60_000;
  while (
    !(await read('status/buildinfo').then(
      () => true,
      () => false,
    ))
  ) {
    // prettier-ignore
    if (child.exitCode !== null || Date.now() > deadline) {
      const said = await readFile(log, 'utf8');
      await stop();
      throw new Error(`Prometheus does not come up. It said:\n${said.slice(-2_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    read,
    stop,
    async query(expression) {
      const data = await read(`query?query=${encodeURIComponent(expression)}`);
      return (data as { result: readonly Series[] }).result;
    },
  };
}
