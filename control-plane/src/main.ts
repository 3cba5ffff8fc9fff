/**
 * A control plane: all of its parts in one process, or those that `--role` names. Started from the
 * command line it runs until SIGINT or SIGTERM; tests start it as a function, with their own
 * configuration. Adapters are built here and in parts/, nowhere else.
 */
import { randomBytes } from 'node:crypto';
import type { FirstSignIn } from './accounts/first-operator.ts';
import { describeHome } from './clusters.ts';
import { readConfig, type Config } from './config.ts';
import { describeError, PlatformError } from './errors.ts';
import { createPartApp } from './http/app.ts';
import { createRequestMeasure, measureProbes } from './http/metrics.ts';
import type { PortalMount } from './http/portal.ts';
import { listen } from './http/serve.ts';
import { openApi, type Api } from './parts/api.ts';
import { startConductor } from './parts/conductor.ts';
import { startForge } from './parts/forge.ts';
import { isWhole, PARTS, readParts, type Part } from './parts/list.ts';
import { startObserver } from './parts/observer.ts';
import { openPortal } from './parts/portal.ts';
import { createShared, type Shared } from './parts/shared.ts';
import { startWriter } from './parts/writer.ts';
import type { FaultPoint } from './reconcile/publish.ts';

export type ControlPlane = {
  /** Where this process answers. */
  readonly url: string;
  /** The first operator token, when this start made it up; shown once. */
  readonly firstToken: string | null;
  /** The first operator's way in, when this start made it up; shown once. */
  readonly firstSignIn: FirstSignIn | null;
  /** Whom an earlier start made the first operator; null: nobody of the settings’ address. */
  readonly operatorEmail: string | null;
  stop(): Promise<void>;
};

type StartOptions = {
  /** Tests end the process at these points of the writer. */
  readonly fault?: (point: FaultPoint, operations: number) => void;
};

/** What answers on the process's port, besides its probes. */
type Front = StartOptions & { readonly portalSecret: string } & {
  portal: PortalMount | null;
  api: Api | null;
};

/** What each part starts. They are started in the order of PARTS, each once. */
const START: Readonly<Record<Part, (shared: Shared, front: Front) => Promise<void>>> = {
  forge: (shared) => startForge(shared),
  writer: async (shared, { fault }) => {
    await startWriter(shared, fault);
    await startConductor(shared);
  },
  observer: (shared) => startObserver(shared),
  portal: async (shared, front) => {
    front.portal = await openPortal(shared, front.portalSecret);
  },
  api: async (shared, front) => {
    front.api = await openApi(shared, front);
  },
};

/**
 * Starts the configured parts. When one cannot start, the ones before it are stopped again and its
 * PlatformError is thrown.
 */
export async function startControlPlane(
  config: Config,
  options: StartOptions = {},
): Promise<ControlPlane> {
  // Stopped in reverse order of starting. It goes on taking what parts open later, when they need it.
  const cleanup = new AsyncDisposableStack();
  try {
    return await startParts(config, options, cleanup);
  } catch (error) {
    await cleanup.disposeAsync();
    throw error;
  }
}

async function startParts(
  config: Config,
  options: StartOptions,
  cleanup: AsyncDisposableStack,
): Promise<ControlPlane> {
  const shared = createShared(config, cleanup);
  const front: Front = {
    ...options,
    portalSecret: config.SHOPYARD_PORTAL_SECRET ?? randomBytes(24).toString('hex'),
    portal: null,
    api: null,
  };
  for (const part of PARTS) if (config.parts.has(part)) await START[part](shared, front);

  measureProbes(shared.registry, shared.probes);
  const { api } = front;
  const app =
    api?.app ??
    createPartApp({
      ...shared,
      metrics: createRequestMeasure(shared.registry, null),
      portal: front.portal,
    });
  const handle = app.callback();
  const listener = await listen((request, response) => void handle(request, response), {
    host: config.HOST,
    port: config.PORT,
  });
  cleanup.defer(() => listener.close());
  // An event stream never ends by itself: it does before the listener waits for it.
  cleanup.defer(() => api?.endStreams());

  return {
    url: `http://${config.HOST}:${String(listener.port)}`,
    firstToken: api?.firstToken ?? null,
    firstSignIn: api?.firstSignIn ?? null,
    operatorEmail: api?.operatorEmail ?? null,
    stop: () => cleanup.disposeAsync(),
  };
}

/** The command line: settings from the environment, one sentence when something is in the way. */
async function run(): Promise<void> {
  const read = readParts(process.argv.slice(2));
  if (!read.ok) {
    console.error(read.message);
    process.exitCode = 2;
    return;
  }
  // A person at a terminal wants to see what is wrong, not every request.
  const settings = readConfig(
    process.stdout.isTTY ? { SHOPYARD_LOG_LEVEL: 'warn', ...process.env } : process.env,
    read.parts,
  );
  if (!settings.ok) {
    console.error(`Shopyard cannot start; these settings need a look:\n`);
    for (const problem of settings.problems) console.error(`  ${problem}`);
    process.exitCode = 2;
    return;
  }
  let controlPlane: ControlPlane;
  try {
    controlPlane = await startControlPlane(settings.config);
  } catch (error) {
    const { field, hint } = error instanceof PlatformError ? error : {};
    console.error(
      `Shopyard cannot start. ${describeError(error)}${hint === undefined ? '' : ` ${hint}`}`,
    );
    if (field !== undefined) console.error(`The setting is ${field}.`);
    if (!(error instanceof PlatformError)) console.error(error);
    process.exitCode = 1;
    return;
  }
  tellStarted(settings.config, controlPlane);

  let isStopping = false;
  const stop = (): void => {
    if (isStopping) return;
    isStopping = true;
    controlPlane.stop().catch((error: unknown) => {
      console.error(`Shopyard did not stop cleanly: ${describeError(error)}`);
      process.exitCode = 1;
    });
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

function tellStarted(
  config: Config,
  { url, firstToken, firstSignIn, operatorEmail }: ControlPlane,
): void {
  if (config.parts.has('api'))
    console.log(`Shopyard is at ${url} (API described at ${url}/api/docs)`);
  if (!isWhole(config.parts))
    console.log(
      `This process is its ${[...config.parts].join(', ')}; ${url}/readyz says how it is`,
    );
  if ([...config.parts].some((part) => part !== 'portal'))
    console.log(`Its data is in ${config.SHOPYARD_DATA_DIR}`);
  if (config.parts.has('api') || config.parts.has('observer'))
    for (const cluster of config.clusters) console.log(`It builds on ${describeHome(cluster)}`);
  if (firstSignIn !== null)
    console.log(
      `Sign in as ${firstSignIn.email} with the password ${firstSignIn.password} (shown this once)`,
    );
  else if (operatorEmail !== null)
    console.log(`Sign in as ${operatorEmail}; the first start showed a password`);
  if (firstToken !== null) console.log(`The first operator token, shown once: ${firstToken}`);
}

if (import.meta.main) await run();
