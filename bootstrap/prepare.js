/**
 * Runs before `npm start`, with whatever Node ran npm: installs the packages when the lock file says
 * others than are there, and builds the portal when its sources changed. Does nothing when there is
 * nothing to do. Plain JavaScript, since Node 24 comes with the packages.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const TOP = join(import.meta.dirname, '..');
const PORTAL = join(TOP, 'portal');
const BUILT = join(PORTAL, 'build', '.sources');

if (!areInstalled()) {
  say('Installing packages (once)…');
  // With NODE_ENV=production npm leaves them out: the Node that runs all this, and the portal's build.
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
}

// A published image holds the built portal without its sources.
if (existsSync(join(PORTAL, 'src'))) {
  const sources = hashFiles([
    join(TOP, 'package-lock.json'),
    // The API's shapes, and what they are made of.
    join(TOP, 'control-plane', 'src', 'contract.ts'),
    ...listFiles(join(TOP, 'control-plane', 'src', 'domain')),
    join(PORTAL, 'package.json'),
    join(PORTAL, 'vite.config.ts'),
    ...listFiles(join(PORTAL, 'src')),
    ...listFiles(join(PORTAL, 'static')),
  ]);
  if (readIfThere(BUILT) !== sources) {
    say('Building the portal (once for each version)…');
    run('npm', ['run', '--silent', 'build', '--workspace', 'portal']);
    writeFileSync(BUILT, sources);
  }
}

/** Whether npm's own record of what is there names what the lock file does; whoever had it installed. */
function areInstalled() {
  const wanted = readPackages(join(TOP, 'package-lock.json'));
  const there = readPackages(join(TOP, 'node_modules', '.package-lock.json'));
  const isThere = (/** @type {string} */ path) =>
    there[path]?.version === wanted[path]?.version &&
    there[path]?.integrity === wanted[path]?.integrity;
  const isLeftOut = (/** @type {string} */ path) =>
    !(path in there) && (wanted[path]?.optional || wanted[path]?.devOptional);
  return (
    Object.keys(there).every((path) => path in wanted) &&
    Object.keys(wanted)
      .filter((path) => path.includes('node_modules/'))
      .every((path) => isThere(path) || isLeftOut(path))
  );
}

/**
 * @param {string} file
 * @returns {Record<string, {version?: string, integrity?: string, optional?: boolean, devOptional?: boolean}>}
 *   by path; none when there is no such file
 */
function readPackages(file) {
  return JSON.parse(readIfThere(file) ?? '{"packages": {}}').packages;
}

/** @param {string} text */
function say(text) {
  process.stdout.write(`${text}\n`);
}

/**
 * Runs to its end; on failure shows what it said and ends with its exit code.
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: TOP,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return;
  process.stderr.write(`${stdout}${stderr}`);
  process.stderr.write(
    `Shopyard cannot start: ${command} ${args.join(' ')} failed${error ? ` (${error.message})` : ''}.\n`,
  );
  process.exit(status ?? 1);
}

/**
 * @param {string} folder
 * @returns {string[]} every file in it, sorted; none when there is no such folder
 */
function listFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** @param {string[]} files */
function hashFiles(files) {
  const hash = createHash('sha256');
  for (const file of files) {
    hash.update(`${relative(TOP, file)}\0`);
    hash.update(readFileSync(file));
  }
  return hash.digest('hex');
}

/** @param {string} file */
function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}
