/** The two kinds that the observer follows: Argo CD's Applications and AppProjects. */
import { extractObservation, readObjectName, type Observation } from '../domain/observation.ts';
import { createObjectWatch, type WatchOptions } from './watch.ts';
import type { ClusterConnection } from './connection.ts';
import type { ApplicationWatch, ObjectWatch, WatchReport } from './types.ts';

type Settings = {
  readonly connection: ClusterConnection;
  /** Argo CD's namespace. */
  readonly namespace: string;
  readonly report: (report: WatchReport) => void;
} & Pick<WatchOptions<unknown>, 'pageSize' | 'windowSeconds' | 'silenceMs' | 'backoffMs'>;

/** Follows every Application in Argo CD's namespace. */
export function watchApplications({ namespace, ...settings }: Settings): ApplicationWatch {
  return createObjectWatch<Observation>({
    ...settings,
    path: collection(namespace, 'applications'),
    extract: (object) => {
      const extraction = extractObservation(object);
      return extraction.ok ? { ok: true, value: extraction.observation } : extraction;
    },
  });
}

/** Follows every AppProject in Argo CD's namespace; only that it is there counts. */
export function watchProjects({ namespace, ...settings }: Settings): ObjectWatch<string> {
  return createObjectWatch<string>({
    ...settings,
    path: collection(namespace, 'appprojects'),
    extract: (object) => {
      const name = readObjectName(object);
      return name === null ? { ok: false, message: 'no name' } : { ok: true, value: name };
    },
  });
}

const collection = (namespace: string, kind: string): string =>
  `/apis/argoproj.io/v1alpha1/namespaces/${encodeURIComponent(namespace)}/${kind}`;
