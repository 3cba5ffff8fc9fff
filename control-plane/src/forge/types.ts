/**
 * The port to whatever keeps the cluster repository: the embedded server today, GitHub or Gitea
 * beside it. A forge knows addresses and credentials; reading and writing git goes through git/.
 */
import type { CommitSha, RemoteSettings } from '../git/types.ts';

/** A branch has a new tip, whoever pushed it. */
export type PushNotice = { readonly branch: string; readonly after: CommitSha };

export interface Forge {
  readonly kind: 'embedded';
  /** The writer's way in. */
  readonly remote: RemoteSettings;
  /** Argo CD's way in: reads only. */
  readonly readRemote: RemoteSettings;
  start(): Promise<void>;
  /** Waits for running requests and leaves no process behind. */
  stop(): Promise<void>;
}
