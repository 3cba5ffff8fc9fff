/**
 * A trace: what the observer sees of one Application over time, cut to what it relies on, with
 * commits as ordinals and times as seconds, so that two runs can be compared.
 */
import {
  extractObservation,
  type Observation,
} from '../../control-plane/src/domain/observation.ts';

/** One state of an Application; a run of equal states is one step. */
export type Step = {
  /** Seconds since the first step. */
  readonly at: number;
  readonly deleting: boolean;
  readonly guarded: boolean;
  readonly sync: string;
  readonly health: string;
  /** Ordinals of the commits compared and applied, in order of appearance. */
  readonly compared: number | null;
  readonly applied: number | null;
  readonly phase: string | null;
  readonly message: string;
  readonly retryCount: number;
  /** Whether it was compared again since the sync ended. */
  readonly comparedSince: boolean;
  /** Hooks, `Job/setup Running`. */
  readonly hooks: readonly string[];
  readonly failures: readonly string[];
  /** Types and messages. */
  readonly conditions: readonly string[];
};

export type Trace = {
  readonly application: string;
  readonly steps: readonly Step[];
  /** Seconds until it was gone; null: it lives. */
  readonly goneAt: number | null;
};

/** Collects the states of one Application. */
export class TraceCollector {
  readonly application: string;
  readonly #steps: Step[] = [];
  readonly #commits: string[] = [];
  #startedAt: number | null = null;
  #goneAt: number | null = null;

  constructor(application: string) {
    this.application = application;
  }

  /** Adds an Application as the API server sent it. */
  add(object: unknown, at: Date): void {
    const extraction = extractObservation(object);
    if (!extraction.ok) throw new Error(`unreadable: ${extraction.message}`);
    this.#startedAt ??= at.getTime();
    const step = this.#cut(extraction.observation, this.#secondsAt(at));
    const last = this.#steps.at(-1);
    if (last === undefined || describeStep(last) !== describeStep(step)) this.#steps.push(step);
  }

  end(at: Date): void {
    this.#goneAt = this.#secondsAt(at);
  }

  get trace(): Trace {
    return { application: this.application, steps: this.#steps, goneAt: this.#goneAt };
  }

  #secondsAt(at: Date): number {
    return Math.round((at.getTime() - (this.#startedAt ?? at.getTime())) / 100) / 10;
  }

  #ordinal(commit: string | null): number | null {
    if (commit === null || !/^[0-9a-f]{40}$/.test(commit)) return null;
    if (!this.#commits.includes(commit)) this.#commits.push(commit);
    return this.#commits.indexOf(commit) + 1;
  }

  #cut(seen: Observation, at: number): Step {
    const { operation } = seen;
    const clean = (text: string): string => text.replaceAll(this.application, '<application>');
    return {
      at,
      deleting: seen.deletingSince !== null,
      guarded: seen.guarded,
      sync: seen.sync,
      health: seen.health,
      compared: this.#ordinal(seen.comparedRevision),
      applied: this.#ordinal(operation?.syncedRevision ?? null),
      phase: operation?.phase ?? null,
      message: clean(operation?.message ?? ''),
      retryCount: operation?.retryCount ?? 0,
      comparedSince:
        seen.reconciledAt !== null &&
        operation !== null &&
        operation.finishedAt !== null &&
        seen.reconciledAt >= operation.finishedAt,
      hooks: operation?.hooks.map((hook) => `${hook.kind}/${hook.name} ${hook.phase ?? ''}`) ?? [],
      failures:
        operation?.failures.map((one) => clean(`${one.kind}/${one.name}: ${one.message}`)) ?? [],
      conditions: seen.conditions.map(({ type, message }) => clean(`${type}: ${message}`)),
    };
  }
}

/** A step without its time. */
function describeStep(step: Step): string {
  return JSON.stringify({ ...step, at: 0 });
}

/**
 * The syncs of a trace: each what it said, with its hooks, in order and without repetition; the last
 * line is how it ended. Left out: what was said before anything was applied, the time of day, which
 * of several that came up together was the last, and syncs that found nothing to do.
 */
export function tellSyncs({ steps }: Trace): readonly (readonly string[])[] {
  const syncs: string[][] = [];
  let isOpen = false;
  for (const { phase, message, hooks, failures } of steps) {
    const isRunning = phase === 'Running' || phase === 'Terminating';
    if (isRunning && !isOpen) syncs.push([]);
    const sync = syncs.at(-1);
    if (sync !== undefined && (isRunning || isOpen) && message !== '') {
      // How many are still waited for is a matter of pace.
      const said = message.replace(/ at \d+:\d+[AP]M/, '').replace(/ and \d+ more resources/, '');
      const line = [`${phase ?? ''}: ${said}`, ...hooks, ...failures].join('; ');
      if (sync.at(-1) !== line && !isSameWait(sync.at(-1), line)) sync.push(line);
    }
    isOpen = isRunning;
  }
  return syncs.filter(
    (sync) => !(sync.length === 1 && sync[0]?.includes('no more tasks') === true),
  );
}

/**
 * A sync that ended for time as it would be told had none of its hooks been tried again: how often they
 * are depends on how long Argo CD allows a sync.
 */
export function withoutRetries(sync: readonly string[]): readonly string[] {
  const told = sync
    .filter((line) => !/Retrying|waiting for deletion of hook/.test(line))
    .map((line) => line.replace(/ \(retried \d+ times\)\./, ''));
  return told.filter((line, index) => line !== told[index - 1]);
}

/** Whether a line waits for what the one before it waits for: for objects of the same kind. */
function isSameWait(before: string | undefined, line: string): boolean {
  const [, kind] = /waiting for healthy state of (\S*\/\S+)\/\S+/.exec(before ?? '') ?? [];
  return kind !== undefined && line.includes(`waiting for healthy state of ${kind}/`);
}

/** The health that a trace shows until it is deleted: each state once, in order of appearance. */
export function tellHealth({ steps }: Trace): readonly string[] {
  return [...new Set(steps.filter(({ deleting }) => !deleting).map(({ health }) => health))];
}
