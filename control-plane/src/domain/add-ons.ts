/**
 * The add-ons of a cluster, `platform` in its file: which are on, and what about them is a cluster's own.
 * One that is not named is left alone, whatever became of it: absence never means delete. One that is
 * `off` has its file taken out of the repository, which stops nothing in the cluster: its Application
 * carries `Prune=false` and is a person's to delete. Pure.
 */
import { z } from 'zod';

const size = z.string().regex(/^[1-9]\d{0,4}[GT]i$/, 'a size such as 20Gi');
const days = z.number().int().min(1).max(3_650);
const namespace = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a namespace');
const dnsProvider = z.enum(['cloudflare', 'digitalocean']);
const cron = z.string().regex(/^[0-9*,/-]+( [0-9*,/-]+){4}$/, 'five fields as cron has them');

const Settings = z.strictObject({
  certManager: z
    .strictObject({
      email: z.email().describe('Where notices about certificates go'),
      acme: z.enum(['production', 'staging']).default('production'),
      dns01: dnsProvider
        .nullable()
        .default(null)
        .describe('One certificate for everything under the base domain, by its DNS provider'),
      traefikNamespace: namespace.default('kube-system'),
    })
    .optional(),
  externalDns: z.strictObject({ provider: dnsProvider }).optional(),
  middlewares: z
    .strictObject({
      hstsSeconds: z.number().int().min(0).max(63_072_000).default(31_536_000),
      requestsPerSecond: z.number().int().min(1).max(10_000).default(50),
      burst: z.number().int().min(1).max(100_000).default(200),
      bodyMegabytes: z.number().int().min(1).max(10_000).default(64),
    })
    .optional(),
  metricsServer: z
    .strictObject({
      kubeletInsecureTls: z.boolean().default(false).describe('For Kind, whose kubelets need it'),
    })
    .optional(),
  prometheus: z
    .strictObject({ retentionDays: days.default(15), storage: size.default('20Gi') })
    .optional(),
  grafana: z.strictObject({}).optional(),
  logs: z
    .strictObject({ retentionDays: days.default(14), storage: size.default('20Gi') })
    .optional(),
  velero: z
    .strictObject({
      s3: z.strictObject({
        endpoint: z.url({ protocol: /^https?$/ }),
        bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'a bucket’s name'),
        region: z
          .string()
          .regex(/^[a-z0-9-]{1,40}$/, 'a region’s name')
          .default('us-east-1'),
      }),
      schedule: cron.default('47 2 * * *'),
      keepDays: days.default(30),
      volumes: z.boolean().default(false).describe('Also what is in volumes, file by file'),
    })
    .optional(),
  externalSecrets: z.strictObject({}).optional(),
  cloudnativePg: z.strictObject({}).optional(),
});
type Settings = z.infer<typeof Settings>;

/** Their names in a cluster's file, and of their templates and files. */
export const ADD_ONS = {
  certManager: 'cert-manager',
  externalDns: 'external-dns',
  middlewares: 'middlewares',
  metricsServer: 'metrics-server',
  prometheus: 'prometheus',
  grafana: 'grafana',
  logs: 'logs',
  velero: 'velero',
  externalSecrets: 'external-secrets',
  cloudnativePg: 'cloudnative-pg',
} as const satisfies Record<keyof Settings, string>;
export type AddOn = keyof typeof ADD_ONS;

export const AddOns = Settings.extend({
  /** `policies` is on as long as it is not here. */
  off: z.array(Settings.keyof().or(z.literal('policies'))).default([]),
}).refine(({ off, ...settings }) => off.every((name) => !Object.hasOwn(settings, name)), {
  message: 'what is off has no settings',
  path: ['off'],
});
export type AddOns = z.infer<typeof AddOns>;
