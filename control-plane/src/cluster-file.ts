/**
 * What a cluster's stores and decisions need to know and what is too much for environment variables:
 * the file of SHOPYARD_CLUSTER_SETTINGS for a single cluster (clusters/example.yaml shows it), and
 * part of each entry of SHOPYARD_CLUSTERS (cluster-list.ts) for several.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { describeIssue } from './describe-issue.ts';
import { AddOns } from './domain/add-ons.ts';
import { DEFAULT_RULES, REVIEW_MODES } from './domain/cluster.ts';
import { describeError, PlatformError } from './errors.ts';

const name = z
  .string()
  .regex(/^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/, 'a name as Kubernetes has it');

const S3 = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/ }),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'a bucket’s name'),
  secretName: name,
});

const Backup = z
  .strictObject({
    schedule: z
      .string()
      .regex(/^[0-9*,/-]+( [0-9*,/-]+){4}$/, 'five fields as cron has them')
      .default('17 3 * * *'),
    keepDaily: z.number().int().min(1).max(365).default(7),
    keepWeekly: z.number().int().min(0).max(520).default(4),
    target: z.enum(['volume', 's3']).default('volume'),
    s3: S3.nullable().default(null),
  })
  .refine((backup) => (backup.target === 's3') === (backup.s3 !== null), {
    message: 's3 is needed with target s3, and only then',
  });

/** As Kubernetes has them. */
const LABEL_KEY = /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

/** What stores' Ingresses and backups get, and the rules of the cluster. */
export const ClusterFile = z.strictObject({
  ingressAnnotations: z
    .record(
      z.string().regex(/^([a-z0-9.-]+\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/),
      z.string(),
    )
    .default({}),
  tlsSecret: z
    .union([z.literal(''), name])
    .nullable()
    .default(null),
  backup: Backup.prefault({}),
  platform: AddOns.prefault({}),
  labels: z
    .record(z.string().regex(LABEL_KEY), z.string().regex(LABEL_VALUE, 'a label’s value'))
    .default(DEFAULT_RULES.labels),
  capacity: z.number().int().min(1).max(1_000_000).nullable().default(DEFAULT_RULES.capacity),
  review: z.enum(REVIEW_MODES).default(DEFAULT_RULES.review),
  retentionDays: z.number().int().min(0).max(365).default(DEFAULT_RULES.retentionDays),
  guard: z
    .strictObject({
      removals: z.number().int().min(1).max(100_000).default(DEFAULT_RULES.guard.removals),
      percent: z.number().min(0).max(100).default(DEFAULT_RULES.guard.percent),
      minutes: z.number().int().min(1).max(1_440).default(DEFAULT_RULES.guard.minutes),
    })
    .prefault({}),
});
export type ClusterFile = z.infer<typeof ClusterFile>;

/** What holds for a cluster that has no such file. */
export const DEFAULT_CLUSTER_FILE: ClusterFile = ClusterFile.parse({});

/** Throws PlatformError `cluster_file_malformed` that names everything that is wrong. */
export function readClusterFile(path: string): ClusterFile {
  const content = readYaml(path) ?? {};
  const parsed = ClusterFile.safeParse(content, { error: describeIssue });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${namePath(issue) || 'the file'}: ${issue.message.replace(/\.$/, '')}`,
  );
  throw malformed(`${path}: ${problems.join('; ')}.`);
}

/** Throws PlatformError `cluster_file_malformed` when it cannot be read or is no YAML. */
export function readYaml(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw malformed(`${path} cannot be read: ${describeError(error)}`);
  }
}

/** The field that an issue is about; '' is all of it. */
export function namePath(issue: z.core.$ZodIssue): string {
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]] : issue.path;
  return path.join('.');
}

function malformed(message: string): PlatformError {
  return new PlatformError('cluster_file_malformed', message);
}
