/**
 * Medusa's settings, all from the environment: the programs put the store's addresses and secrets
 * there before Medusa is loaded (programs/environment.ts). Nothing is needed to build.
 */
import { defineConfig } from '@medusajs/framework/utils';

const { env } = process;
const origin = env.STORE_URL ?? 'http://localhost:9000';
const redisUrl = env.REDIS_URL ?? 'redis://localhost:6379';

module.exports = defineConfig({
  projectConfig: {
    ...(env.DATABASE_URL === undefined ? {} : { databaseUrl: env.DATABASE_URL }),
    redisUrl,
    workerMode: readWorkerMode(env.MEDUSA_WORKER_MODE),
    http: {
      // One store is one address: the storefront, the API and the admin.
      storeCors: origin,
      adminCors: origin,
      authCors: origin,
      compression: { enabled: true },
      ...(env.JWT_SECRET === undefined ? {} : { jwtSecret: env.JWT_SECRET }),
      ...(env.COOKIE_SECRET === undefined ? {} : { cookieSecret: env.COOKIE_SECRET }),
    },
    // In production Medusa's own choice is "secure", and over plain HTTP nobody could sign in.
    cookieOptions: { secure: origin.startsWith('https://'), sameSite: 'lax' },
  },
  admin: {
    disable: env.DISABLE_MEDUSA_ADMIN === 'true',
    path: '/app',
  },
  modules: [
    // For what a merchant's own code caches. Medusa's itself waits for its feature flag `caching`, which stays off: after
    // a restore of the database nothing in Redis may be stale.
    {
      resolve: '@medusajs/medusa/caching',
      options: {
        providers: [
          {
            resolve: '@medusajs/medusa/caching-redis',
            id: 'caching-redis',
            is_default: true,
            options: { redisUrl },
          },
        ],
      },
    },
    { resolve: '@medusajs/medusa/event-bus-redis', options: { redisUrl } },
    { resolve: '@medusajs/medusa/workflow-engine-redis', options: { redis: { redisUrl } } },
    {
      resolve: '@medusajs/medusa/locking',
      options: {
        providers: [
          {
            resolve: '@medusajs/medusa/locking-redis',
            id: 'locking-redis',
            is_default: true,
            options: { redisUrl },
          },
        ],
      },
    },
    {
      resolve: '@medusajs/medusa/file',
      options: {
        providers: [
          {
            resolve: '@medusajs/medusa/file-local',
            id: 'local',
            options: { upload_dir: 'static', backend_url: `${origin}/static` },
          },
        ],
      },
    },
  ],
});

function readWorkerMode(mode: string | undefined): 'shared' | 'server' | 'worker' {
  return mode === 'server' || mode === 'worker' ? mode : 'shared';
}
