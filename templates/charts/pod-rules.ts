/**
 * What the pods of a store must be like, and what they need at the worst moment of an upgrade. Pure; for tests.
 */
import {
  podTemplateOf,
  readQuantity,
  type Container,
  type Manifest,
  type PodSpec,
} from './render-chart.ts';

export interface OwnedPod {
  /** Such as `Deployment/web`. */
  readonly owner: string;
  readonly spec: PodSpec;
}

/** The pod of each object that makes pods. */
export function podsOf(manifests: readonly Manifest[]): OwnedPod[] {
  return manifests.flatMap((manifest) => {
    const template = podTemplateOf(manifest);
    const owner = `${manifest.kind}/${manifest.metadata.name}`;
    return template === undefined ? [] : [{ owner, spec: template.spec }];
  });
}

/** What Pod Security `restricted` would object to, and what a quota or a read-only root asks beyond it. */
export function findFaults(spec: PodSpec): string[] {
  const faults: string[] = [];
  const pod = spec.securityContext;
  if (pod?.runAsNonRoot !== true || !pod.runAsUser) faults.push('may run as root');
  if (pod?.seccompProfile?.type !== 'RuntimeDefault') faults.push('no seccomp profile');
  if (spec.hostNetwork ?? spec.hostPID ?? spec.hostIPC) faults.push('uses the host’s namespaces');
  const allowed = ['emptyDir', 'secret', 'configMap', 'persistentVolumeClaim', 'projected'];
  for (const { name, ...source } of spec.volumes ?? [])
    if (!Object.keys(source).every((type) => allowed.includes(type)))
      faults.push(`volume ${name} is of a forbidden type`);
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    const security = container.securityContext;
    const say = (fault: string) => faults.push(`${container.name}: ${fault}`);
    if (security?.allowPrivilegeEscalation !== false) say('may escalate privileges');
    if (security?.readOnlyRootFilesystem !== true) say('writes to its root');
    if (security?.privileged === true) say('is privileged');
    if (security?.capabilities?.drop?.includes('ALL') !== true) say('keeps capabilities');
    if (security?.capabilities?.add !== undefined) say('adds capabilities');
    for (const side of ['requests', 'limits'] as const)
      for (const resource of ['cpu', 'memory'])
        if (container.resources?.[side]?.[resource] === undefined)
          say(`has no ${side} of ${resource}`);
  }
  return faults;
}

/**
 * What the namespace's quota would refuse at the worst moment of an upgrade: every workload as large as it may grow,
 * with the pods that a rolling update adds; every CronJob, suspended ones too, at work; and each Job twice, since its
 * former pod may still be ending.
 */
export function findShortages(manifests: readonly Manifest[]): string[] {
  const hard = manifests.find(({ kind }) => kind === 'ResourceQuota')?.spec?.hard ?? {};
  const needed = new Map<string, number>();
  const need = (resource: string, amount: number): void => {
    needed.set(resource, (needed.get(resource) ?? 0) + amount);
  };
  for (const manifest of manifests) {
    for (const claim of claimsOf(manifest)) {
      need('persistentvolumeclaims', 1);
      need('requests.storage', readQuantity(claim.spec?.resources?.requests['storage'] ?? '0'));
    }
    const template = podTemplateOf(manifest);
    if (template === undefined) continue;
    const count = countPods(manifest, manifests);
    need('pods', count);
    for (const side of ['requests', 'limits'] as const)
      for (const resource of ['cpu', 'memory'])
        need(`${side}.${resource}`, count * sumPod(template.spec, side, resource));
  }
  return [...needed].flatMap(([resource, amount]) => {
    const most = readQuantity(hard[resource] ?? '0');
    return amount <= most ? [] : [`${resource}: ${amount} needed, ${most} allowed`];
  });
}

/** The claims that an object is, or makes for its one pod. */
export function claimsOf(manifest: Manifest): readonly Manifest[] {
  return manifest.kind === 'PersistentVolumeClaim'
    ? [manifest]
    : (manifest.spec?.volumeClaimTemplates ?? []);
}

function countPods({ kind, metadata, spec }: Manifest, manifests: readonly Manifest[]): number {
  if (kind === 'CronJob') return 1;
  if (kind === 'Job') return 2;
  const autoscaler = manifests.find(
    (m) => m.kind === 'HorizontalPodAutoscaler' && m.spec?.scaleTargetRef?.name === metadata.name,
  );
  const count = autoscaler?.spec?.maxReplicas ?? spec?.replicas ?? 1;
  if (kind !== 'Deployment' || spec?.strategy?.type === 'Recreate' || count === 0) return count;
  const surge = spec?.strategy?.rollingUpdate?.maxSurge ?? '25%';
  return (
    count + (typeof surge === 'number' ? surge : Math.ceil((count * parseInt(surge, 10)) / 100))
  );
}

/** Init containers run before the others, one at a time. */
function sumPod(spec: PodSpec, side: 'requests' | 'limits', resource: string): number {
  const amount = ({ resources }: Container): number =>
    readQuantity(resources?.[side]?.[resource] ?? '0');
  const together = spec.containers.map(amount).reduce((sum, one) => sum + one, 0);
  return Math.max(together, ...(spec.initContainers ?? []).map(amount));
}
