/**
 * Progress of long work on the terminal: one line a piece of work, rewritten in place on a
 * terminal, repeated twice a minute in a log.
 */
export interface Progress {
  /** What the work is at now; shown at the next refresh. */
  readonly note: (text: string) => void;
  /** Ends the line with an outcome. */
  readonly end: (outcome: string) => void;
}

/** Starts a progress line for `label`, of which `expectation` says how long it usually takes. */
export function startProgress(label: string, expectation: string): Progress {
  const started = performance.now();
  const interactive = process.stdout.isTTY;
  let detail = '';
  const show = (): void => {
    const line = `${label}: ${formatDuration(performance.now() - started)}, ${expectation}${detail === '' ? '' : ` (${detail})`}`;
    if (interactive) process.stdout.write(`\r\x1b[K${cutToWidth(line, process.stdout.columns)}`);
    else console.log(line);
  };
  show();
  const timer = setInterval(show, interactive ? 1000 : 30_000);
  return {
    note: (text) => (detail = text),
    end: (outcome) => {
      clearInterval(timer);
      if (interactive) process.stdout.write('\r\x1b[K');
      console.log(`${label}: ${outcome} in ${formatDuration(performance.now() - started)}`);
    },
  };
}

/** A line that wrapped could not be rewritten in place: what is too long for the terminal is cut. */
export function cutToWidth(line: string, columns: number): string {
  // A terminal that does not know its width says 0.
  return columns === 0 || line.length < columns ? line : `${line.slice(0, columns - 2)}…`;
}

/** `850 ms` as `0.9 s`, 75 seconds as `1 min 15 s`. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
