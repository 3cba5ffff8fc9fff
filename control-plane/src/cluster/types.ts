/**
 * What the control plane sees of a cluster: read-only. The watch feeds the observer; the reader
 * answers single questions, with time-outs, never on the way of a create.
 */

/** A Kubernetes object as the API server sends it; shapes are checked where they are read. */
export type KubeObject = {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly [field: string]: unknown;
};
