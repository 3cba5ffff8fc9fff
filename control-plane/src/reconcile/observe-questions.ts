/**
 * Asks the cluster what the Application alone does not tell, a few questions at a time: those that
 * move a store on before those that explain why it does not move.
 */
import { diagnose } from '../domain/diagnosis.ts';
import type { ClusterReader } from '../cluster/types.ts';
import type { ObservedStore } from '../db/observations.ts';
import type { PresenceFacts, Question } from '../domain/lifecycle.ts';
import type { Observation } from '../domain/observation.ts';
import type { GenerationFacts } from '../domain/observation-workload.ts';
import type { StoreProblem } from '../domain/store.ts';

export type Answer =
  | { readonly question: 'generation'; readonly facts: GenerationFacts }
  | { readonly question: 'presence'; readonly facts: PresenceFacts }
  | { readonly question: 'diagnosis'; readonly facts: StoreProblem | null };

/** Puts one question about one store. */
export async function askCluster(
  reader: ClusterReader,
  question: Question,
  store: ObservedStore,
  sight: {
    readonly observation: Observation | null;
    readonly shard: Observation | null;
    readonly now: Date;
  },
): Promise<Answer> {
  const { namespace } = store;
  switch (question) {
    case 'generation':
      return { question, facts: await reader.readGeneration(namespace) };
    case 'presence': {
      const [application, found] = await Promise.all([
        reader.applicationExists(store.application),
        reader.readNamespace(namespace),
      ]);
      return { question, facts: { application, namespace: found } };
    }
    case 'diagnosis': {
      const found = await reader.readNamespace(namespace);
      const [pods, jobs, claims, events] =
        found === null
          ? [[], [], [], []]
          : await Promise.all([
              reader.listPods(namespace),
              reader.listJobs(namespace),
              reader.listClaims(namespace),
              reader.listEvents(namespace),
            ]);
      return {
        question,
        facts: diagnose({ ...sight, namespace: found, pods, jobs, claims, events }),
      };
    }
  }
}

/** Runs tasks, at most `width` at a time, urgent ones first. */
export class TaskQueue {
  readonly #width: number;
  readonly #urgent: (() => Promise<void>)[] = [];
  readonly #patient: (() => Promise<void>)[] = [];
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(width: number) {
    this.#width = width;
  }

  /** @param task must not reject */
  add(task: () => Promise<void>, urgent: boolean): void {
    if (this.#closed) return;
    (urgent ? this.#urgent : this.#patient).push(task);
    this.#fill();
  }

  get length(): number {
    return this.#urgent.length + this.#patient.length + this.#running.size;
  }

  /** Drops what has not begun and waits for what has. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#urgent.length = 0;
    this.#patient.length = 0;
    await Promise.all(this.#running);
  }

  #fill(): void {
    while (this.#running.size < this.#width) {
      const task = this.#urgent.shift() ?? this.#patient.shift();
      if (task === undefined) return;
      const run = task().finally(() => {
        this.#running.delete(run);
        this.#fill();
      });
      this.#running.add(run);
    }
  }
}
