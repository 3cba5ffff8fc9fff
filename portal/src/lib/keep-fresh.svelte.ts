/** For pages about the platform itself, of which no stream tells: loaded again while looked at. */
import { refresh } from './refresh.ts';

/** Loads again what depends on `key`, now and then, as long as the component is there and seen. */
export function keepFresh(key: string, everyMs = 10_000): void {
  $effect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') void refresh(key);
    }, everyMs);
    return () => clearInterval(timer);
  });
}
