/** A sync as Argo CD tells of it in `status.operationState`: tries, retries and the end. */
import {
  readSeconds,
  type Application,
  type ApplicationStatus,
  type OperationState,
  type Progress,
  type ResourceResult,
} from './application.ts';
import { formatTime } from './table.ts';

export class Operation implements Progress {
  readonly #app: Application;
  readonly #now: () => Date;
  readonly #write: (changes: Partial<ApplicationStatus>) => void;
  readonly #startedAt: string;
  readonly #results = new Map<string, ResourceResult>();
  #state: OperationState;
  #revision: string;
  #retries = 0;

  constructor(options: {
    readonly app: Application;
    readonly revision: string;
    readonly now: () => Date;
    readonly write: (changes: Partial<ApplicationStatus>) => void;
  }) {
    this.#app = options.app;
    this.#now = options.now;
    this.#write = options.write;
    this.#startedAt = formatTime(this.#now());
    this.#revision = options.revision;
    this.#state = this.#begin('');
  }

  report(message: string, health?: string): void {
    this.#show({ message, syncResult: this.#result }, health);
  }

  record(result: ResourceResult): void {
    this.#results.set(`${result.kind}/${result.name}`, result);
  }

  get mayRetry(): boolean {
    return this.#retries < (this.#app.spec.syncPolicy?.retry?.limit ?? 0);
  }

  /** Tells that there will be another try. Returns how many seconds from now. */
  announceRetry(message: string): number {
    this.#retries += 1;
    const now = this.#now();
    const time = now.toLocaleTimeString('en-US', {
      hour: 'numeric',
      minute: '2-digit',
      timeZone: 'UTC',
    });
    this.#show({
      message: `${message}. Retrying attempt #${this.#retries} at ${time.replace(/\s/, '')}.`,
      syncResult: this.#result,
      finishedAt: formatTime(now),
      retryCount: this.#retries,
    });
    const { duration, factor, maxDuration } = this.#app.spec.syncPolicy?.retry?.backoff ?? {
      duration: '5s',
      factor: 2,
      maxDuration: '3m',
    };
    const seconds = readSeconds(duration) * factor ** (this.#retries - 1);
    return Math.min(seconds, readSeconds(maxDuration));
  }

  /** Retries take the newest commit. */
  retry(revision: string): void {
    this.#revision = revision;
    this.#results.clear();
    this.#state = this.#begin(
      `Retrying operation with latest revisions. Attempt #${this.#retries}`,
    );
  }

  succeed(): void {
    this.#end('Succeeded', 'successfully synced (all tasks run)');
  }

  fail(message: string): void {
    const told = `${message}${this.#retries === 0 ? '' : ` (retried ${this.#retries} times).`}`;
    this.#end('Failed', told);
    const now = formatTime(this.#now());
    this.#write({
      reconciledAt: now,
      conditions: [
        {
          type: 'SyncError',
          message: `Failed last sync attempt to [${this.#revision}]: ${told}`,
          lastTransitionTime: now,
        },
      ],
    });
  }

  /** Ends at the controller's time-out for syncs. */
  terminate(): void {
    this.#show({ phase: 'Terminating', message: 'operation is terminating due to timeout' });
    for (const [key, result] of this.#results)
      if (result.hookPhase === 'Running')
        this.#results.set(key, { ...result, hookPhase: 'Failed', message: 'Terminated' });
    this.fail('Operation terminated, triggered by controller sync timeout');
  }

  get #result(): NonNullable<OperationState['syncResult']> {
    const { source } = this.#app.spec;
    return { revision: this.#revision, source, resources: [...this.#results.values()] };
  }

  #begin(message: string): OperationState {
    const { source, syncPolicy } = this.#app.spec;
    const state: OperationState = {
      phase: 'Running',
      message,
      startedAt: this.#startedAt,
      ...(this.#retries === 0 ? {} : { retryCount: this.#retries }),
      operation: {
        initiatedBy: { automated: true },
        retry: syncPolicy?.retry ?? {},
        sync: { prune: true, revision: this.#revision, source },
      },
    };
    this.#write({ operationState: state });
    return state;
  }

  #end(phase: 'Succeeded' | 'Failed', message: string): void {
    const finishedAt = formatTime(this.#now());
    this.#show({ phase, message, finishedAt, syncResult: this.#result });
  }

  #show(changes: Partial<OperationState>, health?: string): void {
    this.#state = { ...this.#state, ...changes };
    const lastTransitionTime = formatTime(this.#now());
    this.#write({
      operationState: this.#state,
      ...(health === undefined ? {} : { health: { status: health, lastTransitionTime } }),
    });
  }
}
