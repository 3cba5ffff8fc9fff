/** Short messages about what just happened. They go by themselves; problems stay longer. */
import { untrack } from 'svelte';

export type Toast = {
  readonly id: number;
  readonly kind: 'done' | 'problem';
  readonly message: string;
};

const SHOWN_MS = { done: 6000, problem: 12_000 } as const;

export const toasts: Toast[] = $state([]);
let last = 0;

export function toast(kind: Toast['kind'], message: string): void {
  last += 1;
  const id = last;
  // Pushing reads the list too: an effect that says something must not run again because of it.
  untrack(() => toasts.push({ id, kind, message }));
  setTimeout(() => dismissToast(id), SHOWN_MS[kind]);
}

export function dismissToast(id: number): void {
  const index = toasts.findIndex((one) => one.id === id);
  if (index !== -1) toasts.splice(index, 1);
}
