/**
 * Makes Medusa's environment from the store's: addresses from variables, passwords from the files of
 * its Secrets. Call it before anything of Medusa is imported, since medusa-config.ts reads the
 * environment when it is loaded. A variable that Medusa would read and that is set already stays,
 * so that `medusa develop` on a laptop works without files.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const secretsFolder = process.env.SECRETS_FOLDER ?? '/secrets';

/** Reads one key of one of the store's Secrets (`internal`, `admin`, `api`). */
export function readSecret(secret: 'internal' | 'admin' | 'api', key: string): string {
  return readFileSync(join(secretsFolder, secret, key), 'utf8').trim();
}

/** Reads a variable that must be there. */
export function readVariable(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set`);
  return value;
}

/** Sets what medusa-config.ts and Medusa itself read. */
export function prepareEnvironment(): void {
  const { env } = process;
  env.NODE_ENV ??= 'production';
  env.MEDUSA_DISABLE_TELEMETRY ??= 'true';
  declineTelemetry();
  env.DATABASE_URL ??= describeDatabase();
  env.REDIS_URL ??= describeRedis();
  env.JWT_SECRET ??= readSecret('internal', 'jwt-secret');
  env.COOKIE_SECRET ??= readSecret('internal', 'cookie-secret');
}

/** Without this Medusa says in every log that it collects usage data, which it does not here. */
function declineTelemetry(): void {
  const folder = join(homedir(), '.config', 'medusa');
  const file = join(folder, 'config.json');
  if (existsSync(file)) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, JSON.stringify({ telemetry: { enabled: false } }));
}

function describeDatabase(): string {
  const { DATABASE_HOST = 'database', DATABASE_PORT = '5432' } = process.env;
  const { DATABASE_NAME = 'medusa', DATABASE_USER = 'medusa' } = process.env;
  const password = encodeURIComponent(readSecret('internal', 'database-password'));
  // In the store's own namespace; without the parameter Medusa asks for TLS in production.
  return `postgres://${DATABASE_USER}:${password}@${DATABASE_HOST}:${DATABASE_PORT}/${DATABASE_NAME}?sslmode=disable`;
}

function describeRedis(): string {
  const { REDIS_HOST = 'redis', REDIS_PORT = '6379' } = process.env;
  const password = encodeURIComponent(readSecret('internal', 'redis-password'));
  return `redis://:${password}@${REDIS_HOST}:${REDIS_PORT}`;
}
