/** What can be made to go wrong in the practice cluster, for one store or (`*`) for all. */

export const FAULTS = ['slow', 'image', 'degraded', 'sync-error', 'hang', 'gone'] as const;

/**
 * - `slow`: everything takes five times as long
 * - `image`: no image can be pulled
 * - `degraded`: the web server keeps ending
 * - `sync-error`: the API server refuses an object
 * - `hang`: a sync waits for something that never comes
 * - `gone`: somebody removed the store from the cluster; it comes back when this is cleared
 */
export type Fault = (typeof FAULTS)[number];

export const isFault = (text: string): text is Fault =>
  (FAULTS as readonly string[]).includes(text);

export class Faults {
  readonly #on = new Map<string, Set<Fault>>();
  readonly #listeners = new Set<() => void>();

  /** @param store its name, the name of its Application, or `*` */
  set(store: string, fault: Fault): void {
    const faults = this.#on.get(store) ?? new Set();
    this.#on.set(store, faults.add(fault));
    this.#tell();
  }

  clear(store: string, fault: Fault): void {
    this.#on.get(store)?.delete(fault);
    this.#tell();
  }

  list(): Readonly<Record<string, readonly Fault[]>> {
    return Object.fromEntries(
      [...this.#on].filter(([, on]) => on.size > 0).map(([store, on]) => [store, [...on]]),
    );
  }

  /** @param application `<tenant id>-<store>` */
  has(application: string, fault: Fault): boolean {
    const store = application.slice(application.indexOf('-') + 1);
    return [application, store, '*'].some((key) => this.#on.get(key)?.has(fault) === true);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
