import { expect, test } from 'vitest';
import {
  describeVolume,
  isVolumeName,
  planStorage,
  type Volume,
  type VolumeClaim,
} from './storage.ts';

const uid = '1cbf1d75-fcd4-49ad-a6d4-9e4422d996bb';
const name = `pvc-${uid}`;

function describeClaim(
  overrides: Partial<VolumeClaim['spec']> = {},
  annotations = {},
): VolumeClaim {
  return {
    metadata: {
      name: 'data',
      namespace: 'store-abc123-shop',
      uid,
      annotations: {
        'volume.kubernetes.io/selected-node': 'lab',
        'volume.kubernetes.io/storage-provisioner': 'shopyard.dev/local',
        ...annotations,
      },
    },
    spec: {
      storageClassName: 'shopyard-local',
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '2Gi' } },
      ...overrides,
    },
  };
}

function describePresent(phase: string, overrides: Partial<Volume['metadata']> = {}): Volume {
  return {
    metadata: {
      name,
      annotations: { 'pv.kubernetes.io/provisioned-by': 'shopyard.dev/local' },
      ...overrides,
    },
    spec: { persistentVolumeReclaimPolicy: 'Delete' },
    status: { phase },
  };
}

test('makes a volume once a pod that wants it has a node', () => {
  expect(planStorage([describeClaim()], []).create).toMatchObject([{ name }]);
  const unscheduled = describeClaim({}, { 'volume.kubernetes.io/selected-node': '' });
  expect(planStorage([unscheduled], []).create).toEqual([]);
});

test('leaves alone claims of other classes, that have a volume, or whose volume is there', () => {
  expect(planStorage([describeClaim({ storageClassName: 'fast' })], []).create).toEqual([]);
  expect(planStorage([describeClaim({ volumeName: name })], []).create).toEqual([]);
  expect(planStorage([describeClaim()], [describePresent('Available')]).create).toEqual([]);
});

test('removes volumes of its own that were released, and no others', () => {
  expect(planStorage([], [describePresent('Released')]).remove).toEqual([name]);
  expect(planStorage([], [describePresent('Bound')]).remove).toEqual([]);
  expect(planStorage([], [describePresent('Released', { annotations: {} })]).remove).toEqual([]);
  expect(planStorage([], [describePresent('Released', { name: 'pvc-..' })]).remove).toEqual([]);
});

test('a volume is a folder of this node, bound to its claim', () => {
  expect(describeVolume('/lab/volumes', describeClaim())).toMatchObject({
    metadata: { name },
    spec: {
      capacity: { storage: '2Gi' },
      local: { path: `/lab/volumes/${name}` },
      claimRef: { namespace: 'store-abc123-shop', name: 'data', uid },
      persistentVolumeReclaimPolicy: 'Delete',
    },
  });
});

test('only names it makes itself are names of volumes', () => {
  expect(isVolumeName(name)).toBe(true);
  for (const other of ['', '..', 'pvc-', `${name}/..`, `${name}x`, name.toUpperCase()]) {
    expect(isVolumeName(other)).toBe(false);
  }
});
