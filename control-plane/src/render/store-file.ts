/**
 * A store's intent file, read back. `store.yaml` holds a whole spec (a test holds every spec to
 * that): the stores table can be made again from the repository, and a person's edit of the file can
 * become the store's settings. What somebody wrote by hand may be anything: it is checked here.
 */
import { z } from 'zod';
import { checkStoreName } from '../domain/names.ts';
import type { StoreName, StoreSpec } from '../domain/store.ts';
import { describeError } from '../errors.ts';
import { parseYaml } from './template.ts';

const Name = z
  .string()
  .refine((name) => checkStoreName(name).ok, 'is not a store’s name')
  .transform((name) => name as StoreName);
const Word = z.string().min(1).max(300);
const Count = z.int().min(1);

const StoreFile = z.strictObject({
  apiVersion: z.literal('shopyard.dev/v1'),
  kind: z.literal('Store'),
  metadata: z.strictObject({
    id: z.string().regex(/^st_[a-z0-9]{1,32}$/, 'is not a store’s id'),
    name: Name,
    tenant: Word,
    tenantId: z.string().regex(/^[a-z0-9]{6}$/, 'is not a tenant’s id'),
    generation: Count,
    attempt: Count,
  }),
  spec: z.strictObject({
    type: Word,
    chart: Word,
    chartVersion: Word,
    plan: Word,
    storagePlan: Word,
    // Files from before these settings lack them.
    options: z.record(z.string(), z.union([z.string(), z.boolean()])).default({}),
    suspended: z.boolean().default(false),
    purgeAt: z.iso.datetime().nullable().default(null),
    protected: z.boolean().default(false),
    cluster: Word,
    host: Word,
    url: Word,
  }),
});

export type ReadStoreFile =
  { readonly ok: true; readonly spec: StoreSpec } | { readonly ok: false; readonly why: string };

/** Reads a `store.yaml`; when it is none, says why in words that go after the file's name. */
export function readStoreFile(text: string): ReadStoreFile {
  let value: unknown;
  try {
    value = parseYaml('store.yaml', text);
  } catch (error) {
    return { ok: false, why: `is not YAML: ${describeError(error)}` };
  }
  const read = StoreFile.safeParse(value);
  if (!read.success) {
    const [issue] = read.error.issues;
    const field = issue?.path.map(String).join('.') ?? '';
    return {
      ok: false,
      why: `${field === '' ? 'it' : field}: ${issue?.message ?? 'is not valid'}`,
    };
  }
  return { ok: true, spec: { ...read.data.metadata, ...read.data.spec } };
}
