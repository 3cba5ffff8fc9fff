/**
 * Dynamic volumes of the lab: what a PersistentVolumeClaim of the default StorageClass becomes.
 *
 * Pure part: from the claims and volumes there are, what to make and what to remove. Volumes are of
 * the kind `local`, a folder on this node, because the kubelet gives those the pod's fsGroup (it
 * does not for `hostPath`). A folder is removed before its volume object, so that a crash between
 * the two leaves an object that is looked at again, never a folder that is forgotten.
 */
import { join } from 'node:path';
import { nodeName } from './layout.ts';
import { storageClassName, storageProvisioner } from './objects.ts';

export interface VolumeClaim {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly storageClassName?: string;
    readonly volumeName?: string;
    readonly accessModes?: readonly string[];
    readonly resources?: { readonly requests?: { readonly storage?: string } };
  };
}

export interface Volume {
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly persistentVolumeReclaimPolicy?: string };
  readonly status?: { readonly phase?: string };
}

export interface StoragePlan {
  readonly create: readonly { readonly name: string; readonly claim: VolumeClaim }[];
  readonly remove: readonly string[];
}

const provisionedBy = 'pv.kubernetes.io/provisioned-by';

/** Name of the volume a claim gets, which is also that of its folder. */
export function volumeName(claim: VolumeClaim): string {
  return `pvc-${claim.metadata.uid}`;
}

/** Whether a name is one that volumeName makes: nothing else is ever removed from the disk. */
export function isVolumeName(name: string): boolean {
  return /^pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name);
}

/** What to make and what to remove. */
export function planStorage(
  claims: readonly VolumeClaim[],
  volumes: readonly Volume[],
): StoragePlan {
  const present = new Set(volumes.map((volume) => volume.metadata.name));
  const create = claims
    .filter((claim) => {
      const annotations = claim.metadata.annotations ?? {};
      return (
        claim.spec.storageClassName === storageClassName &&
        claim.spec.volumeName === undefined &&
        claim.metadata.deletionTimestamp === undefined &&
        // The scheduler has chosen the node: a pod wants the volume now (WaitForFirstConsumer).
        annotations['volume.kubernetes.io/selected-node'] === nodeName &&
        annotations['volume.kubernetes.io/storage-provisioner'] === storageProvisioner
      );
    })
    .map((claim) => ({ name: volumeName(claim), claim }))
    .filter(({ name }) => isVolumeName(name) && !present.has(name));
  const remove = volumes
    .filter(
      (volume) =>
        volume.metadata.annotations?.[provisionedBy] === storageProvisioner &&
        volume.spec.persistentVolumeReclaimPolicy === 'Delete' &&
        ['Released', 'Failed'].includes(volume.status?.phase ?? '') &&
        isVolumeName(volume.metadata.name),
    )
    .map((volume) => volume.metadata.name);
  return { create, remove };
}

/** The volume object for a claim, its folder in `folder`. */
export function describeVolume(folder: string, claim: VolumeClaim): Record<string, unknown> {
  const name = volumeName(claim);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: { [provisionedBy]: storageProvisioner } },
    spec: {
      storageClassName,
      persistentVolumeReclaimPolicy: 'Delete',
      accessModes: claim.spec.accessModes ?? ['ReadWriteOnce'],
      capacity: { storage: claim.spec.resources?.requests?.storage ?? '1Gi' },
      local: { path: join(folder, name) },
      claimRef: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        name: claim.metadata.name,
        namespace: claim.metadata.namespace,
        uid: claim.metadata.uid,
      },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            {
              matchExpressions: [
                { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] },
              ],
            },
          ],
        },
      },
    },
  };
}
