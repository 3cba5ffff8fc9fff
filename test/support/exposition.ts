/** Prometheus' text format, as the shops' own programs write it: strict, so that a line it does not know fails a test. */

export type Family = {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** By its labels as they are written, `status="failed"`; '' without any. */
  readonly samples: ReadonlyMap<string, number>;
};

export function parseExposition(text: string): readonly Family[] {
  if (!text.endsWith('\n')) throw new Error('The last line does not end.');
  const families: (Family & { samples: Map<string, number> })[] = [];
  let help: RegExpExecArray | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    const about = /^# HELP ([a-z_]+) (.+)$/.exec(line);
    const type = /^# TYPE ([a-z_]+) (gauge|counter)$/.exec(line);
    const sample = /^([a-z_]+)(?:\{([a-z]+="[a-z_-]+")\})? (\d+)$/.exec(line);
    const last = families.at(-1);
    if (about !== null) help = about;
    else if (type !== null && help !== null && help[1] === type[1]) {
      const [, name = '', words = ''] = help;
      families.push({ name, help: words, type: type[2] ?? '', samples: new Map() });
    } else if (sample !== null && last !== undefined && sample[1] === last.name) {
      const labels = sample[2] ?? '';
      if (last.samples.has(labels)) throw new Error(`Twice: ${line}`);
      last.samples.set(labels, Number(sample[3]));
    } else throw new Error(`Not understood: ${line}`);
  }
  return families;
}

/** One sample's value; NaN when there is none. */
export function readSample(families: readonly Family[], name: string, labels = ''): number {
  return families.find((one) => one.name === name)?.samples.get(labels) ?? Number.NaN;
}

/** What never changes while a shop runs: all but the values. */
export function describeFamilies(families: readonly Family[]) {
  return families.map(({ samples, ...rest }) => ({ ...rest, labels: [...samples.keys()] }));
}
