/**
 * Kubernetes objects by collection, kept as an API server keeps them: one version counted up for all,
 * a history of changes per collection to watch from, and an error for who asks from further back.
 *
 * Objects are values: a change puts a new one. What is put unchanged makes no version and no event.
 */
import { randomUUID } from 'node:crypto';

export type KubeObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly finalizers?: readonly string[];
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
};

/** Where a pod's log is kept in the object: no real pod has this field, and it is not served. */
export const LOG_FIELD = 'practiceLog';

export type TableEvent = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: number;
  readonly object: KubeObject;
};

/** What survives a restart. */
export type TableContent = {
  readonly version: number;
  readonly collections: Readonly<Record<string, readonly KubeObject[]>>;
};

type Collection = {
  readonly objects: Map<string, KubeObject>;
  readonly history: TableEvent[];
  /** The oldest version one can still watch from. */
  floor: number;
  readonly listeners: Set<(event: TableEvent) => void>;
};

const HISTORY_KEPT = 1_000;
/** Versions after a restart begin this much later: nobody goes on watching across it unawares. */
const RESTART_GAP = 1_000;

export class ObjectTable {
  readonly #now: () => Date;
  readonly #onChange: () => void;
  readonly #collections = new Map<string, Collection>();
  readonly #birth: number;
  #version: number;

  /** @param onChange called after every change, synchronously */
  constructor(now: () => Date, saved: TableContent | null, onChange: () => void) {
    this.#now = now;
    this.#onChange = onChange;
    this.#version = this.#birth = (saved?.version ?? 0) + RESTART_GAP;
    for (const [path, objects] of Object.entries(saved?.collections ?? {}))
      for (const object of objects) this.#open(path).objects.set(object.metadata.name, object);
  }

  get version(): number {
    return this.#version;
  }

  get content(): TableContent {
    return {
      version: this.#version,
      collections: Object.fromEntries(
        [...this.#collections]
          .filter(([, { objects }]) => objects.size > 0)
          .map(([path, { objects }]) => [path, [...objects.values()]]),
      ),
    };
  }

  get(path: string, name: string): KubeObject | undefined {
    return this.#collections.get(path)?.objects.get(name);
  }

  /** By name, in order. */
  list(path: string): KubeObject[] {
    const objects = this.#collections.get(path)?.objects.values() ?? [];
    return [...objects].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  /** Makes the object or puts it in the place of the one of its name. */
  put(path: string, object: KubeObject): void {
    const collection = this.#open(path);
    const { name } = object.metadata;
    const before = collection.objects.get(name);
    const known = before?.metadata;
    const metadata = {
      ...object.metadata,
      uid: known?.uid ?? randomUUID(),
      creationTimestamp: known?.creationTimestamp ?? formatTime(this.#now()),
      ...(known?.deletionTimestamp === undefined
        ? {}
        : { deletionTimestamp: known.deletionTimestamp }),
      resourceVersion: known?.resourceVersion ?? '',
    };
    const next = { ...object, metadata };
    if (before !== undefined && JSON.stringify(sortKeys(before)) === JSON.stringify(sortKeys(next)))
      return;
    this.#version += 1;
    const stamped = { ...next, metadata: { ...metadata, resourceVersion: String(this.#version) } };
    collection.objects.set(name, stamped);
    this.#tell(collection, before === undefined ? 'ADDED' : 'MODIFIED', stamped);
  }

  remove(path: string, name: string): void {
    const collection = this.#collections.get(path);
    const object = collection?.objects.get(name);
    if (collection === undefined || object === undefined) return;
    collection.objects.delete(name);
    this.#version += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.#version) };
    this.#tell(collection, 'DELETED', { ...object, metadata });
  }

  /** Empties every collection whose path begins so: what a namespace held. */
  removeBeneath(prefix: string): void {
    for (const [path, { objects }] of this.#collections)
      if (path.startsWith(prefix)) for (const name of [...objects.keys()]) this.remove(path, name);
  }

  /**
   * Calls the listener with every change after `from`, those of the past at once.
   * @returns how to end it; null: that is too long ago
   */
  watch(path: string, from: number, listener: (event: TableEvent) => void): (() => void) | null {
    const collection = this.#open(path);
    if (from < collection.floor) return null;
    for (const event of collection.history) if (event.version > from) listener(event);
    collection.listeners.add(listener);
    return () => collection.listeners.delete(listener);
  }

  #open(path: string): Collection {
    const known = this.#collections.get(path);
    if (known !== undefined) return known;
    const made = {
      objects: new Map<string, KubeObject>(),
      history: [],
      floor: this.#birth,
      listeners: new Set<(event: TableEvent) => void>(),
    };
    this.#collections.set(path, made);
    return made;
  }

  #tell(collection: Collection, type: TableEvent['type'], object: KubeObject): void {
    const event = { type, version: this.#version, object };
    collection.history.push(event);
    if (collection.history.length > HISTORY_KEPT)
      collection.floor = collection.history.shift()?.version ?? collection.floor;
    for (const listener of collection.listeners) listener(event);
    this.#onChange();
  }
}

/** A time as Kubernetes writes it: whole seconds. */
export function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** The same value with the keys of every object in order, so that two can be compared as text. */
export function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sortKeys(part)]),
  );
}
