/** Single questions to an API server: GETs with a time-out, checked and cut to what is needed. */
import { z } from 'zod';
import { PlatformError, describeError } from '../errors.ts';
import { extractObservation } from '../domain/observation.ts';
import {
  extractClaim,
  extractEvent,
  extractGeneration,
  extractJob,
  extractNamespace,
  extractPod,
  extractQuota,
  extractSecret,
} from '../domain/observation-workload.ts';
import { readBody, type ClusterConnection } from './connection.ts';
import type { ClusterReader } from './types.ts';

const LONGEST_ANSWER = 32 * 1024 * 1024;
const LONGEST_LOG = 1024 * 1024;

const list = z.object({ items: z.array(z.unknown()) });

/**
 * @param options.namespace where Argo CD's Applications live
 * @param options.timeoutMs for one question; default 5 s
 */
export function createClusterReader(
  connection: ClusterConnection,
  options: {
    readonly namespace: string;
    readonly timeoutMs?: number;
    /** When the cluster was last heard from: said when it does not answer now. */
    readonly lastHeard?: () => Promise<Date | null>;
  },
): ClusterReader {
  const timeoutMs = options.timeoutMs ?? 5000;
  const enc = encodeURIComponent;

  /** null: the API server itself says that there is none. */
  const ask = async (
    path: string,
    atMost = LONGEST_ANSWER,
    none: Readonly<Record<number, string>> = { 404: 'NotFound' },
  ): Promise<string | null> => {
    let status: number;
    let text: string;
    try {
      const answer = await connection.get(path, AbortSignal.timeout(timeoutMs));
      status = answer.status;
      text = await readBody(answer.body, atMost);
    } catch (error) {
      const heardAt = await options.lastHeard?.().catch(() => null);
      throw new PlatformError(
        'cluster_unreachable',
        `The cluster did not answer: ${describeError(error)}`,
        {
          retryable: true,
          cause: error,
          ...(heardAt instanceof Date
            ? { hint: `What is shown of its stores is as of ${heardAt.toISOString()}.` }
            : {}),
        },
      );
    }
    if (status === 200) return text;
    const reason = none[status];
    // A proxy's 404 page says nothing about the cluster.
    if (reason !== undefined && isStatus(text, reason)) return null;
    throw new PlatformError(
      status === 401 || status === 403 ? 'cluster_refused' : 'cluster_unreachable',
      `The cluster answered ${status} to a read of ${path.split('?')[0] ?? path}.`,
      {
        retryable: true,
        ...(status === 401 || status === 403
          ? { hint: 'Check the observer’s ServiceAccount and its roles.' }
          : {}),
      },
    );
  };

  const read = async (path: string): Promise<unknown> => {
    const text = await ask(path);
    return text === null ? null : parseAnswer(text);
  };

  const readList = async <T>(
    path: string,
    extract: (object: unknown) => T | null,
  ): Promise<readonly T[]> => {
    const answer = await read(path);
    if (answer === null) return [];
    const parsed = list.safeParse(answer);
    if (!parsed.success)
      throw new PlatformError('cluster_unreachable', 'The cluster answered with something else.', {
        retryable: true,
      });
    return parsed.data.items.map(extract).filter((facts) => facts !== null);
  };

  const core = (namespace: string): string => `/api/v1/namespaces/${enc(namespace)}`;
  const jobs = (namespace: string): string => `/apis/batch/v1/namespaces/${enc(namespace)}/jobs`;

  const application = (name: string): string =>
    `/apis/argoproj.io/v1alpha1/namespaces/${enc(options.namespace)}/applications/${enc(name)}`;

  return {
    applicationExists: async (name) => (await read(application(name))) !== null,

    readApplication: async (name) => {
      const answer = await read(application(name));
      if (answer === null) return null;
      const extraction = extractObservation(answer);
      if (extraction.ok) return extraction.observation;
      throw new PlatformError(
        'cluster_unreachable',
        `The Application ${name} cannot be read: ${extraction.message}`,
        { retryable: true },
      );
    },

    readNamespace: async (name) => {
      const answer = await read(core(name));
      if (answer === null) return null;
      // What exists but cannot be read still exists.
      return extractNamespace(answer) ?? { name, deletingSince: null, remaining: [] };
    },

    readGeneration: async (namespace) => {
      const [configMap, setup] = await Promise.all([
        read(`${core(namespace)}/configmaps/shopyard-generation`),
        read(`${jobs(namespace)}/setup`),
      ]);
      return { configMap: extractGeneration(configMap), setup: extractJob(setup) };
    },

    listPods: (namespace) => readList(`${core(namespace)}/pods?limit=500`, extractPod),
    listJobs: (namespace) => readList(`${jobs(namespace)}?limit=500`, extractJob),
    listClaims: (namespace) =>
      readList(`${core(namespace)}/persistentvolumeclaims?limit=500`, extractClaim),
    listEvents: (namespace) => readList(`${core(namespace)}/events?limit=500`, extractEvent),

    listQuotas: async (namespace) =>
      (await readList(`${core(namespace)}/resourcequotas?limit=50`, extractQuota)).flat(),

    readSecret: async (namespace, name) => {
      const text = await ask(`${core(namespace)}/secrets/${enc(name)}`);
      if (text === null) return null;
      const values = readSecretValues(text);
      if (values === null)
        throw new PlatformError(
          'cluster_unreachable',
          'The cluster answered with something else.',
          {
            retryable: true,
          },
        );
      return values;
    },

    readLog: async (namespace, pod, { container, lines = 200, since, previous = false } = {}) => {
      const query = new URLSearchParams({ tailLines: String(lines), limitBytes: '262144' });
      if (container !== undefined) query.set('container', container);
      if (since !== undefined) query.set('sinceTime', since.toISOString());
      if (previous) query.set('previous', 'true');
      // BadRequest: the container has not begun.
      return ask(`${core(namespace)}/pods/${enc(pod)}/log?${query.toString()}`, LONGEST_LOG, {
        404: 'NotFound',
        400: 'BadRequest',
      });
    },
  };
}

function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new PlatformError('cluster_unreachable', 'The cluster answered with something else.', {
      retryable: true,
      cause: error,
    });
  }
}

/** Errors of a parser quote what they could not read: nothing of a Secret may get into one. */
function readSecretValues(text: string): Readonly<Record<string, string>> | null {
  try {
    return extractSecret(JSON.parse(text));
  } catch {
    return null;
  }
}

function isStatus(text: string, reason: string): boolean {
  const status = z.object({ kind: z.literal('Status'), reason: z.literal(reason) });
  try {
    return status.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}
