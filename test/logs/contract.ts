/**
 * What every source of logs must do: the cluster itself, and Loki. A subject is a source with
 * containers that wrote what it is told they wrote, at the times it is told.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PlatformError } from '../../control-plane/src/errors.ts';
import type { LogSource, LogWriter } from '../../control-plane/src/logs/types.ts';

export type Written = { readonly at: Date; readonly line: string };

/** Nothing for longer than is waited; something else; an error. */
export type Misbehaviour = 'silence' | 'nonsense' | 'error';
export const MISBEHAVIOURS: readonly Misbehaviour[] = ['silence', 'nonsense', 'error'];

export type LogSubject<Source extends LogSource = LogSource> = {
  readonly source: Source;
  /** Namespaces of its own; others use the same source. */
  readonly namespace: string;
  readonly neighbour: string;
  write(namespace: string, writer: LogWriter, lines: readonly Written[]): Promise<void>;
  /** From here on this is what it answers. */
  misbehave(how: Misbehaviour): void;
  close(): Promise<void>;
};

export const SHOP: LogWriter = { pod: 'shop-7d9f-x2x', container: 'php' };
export const ALL = new Date(0);

/** The moment so many seconds ago. */
export function ago(seconds: number): Date {
  return new Date(Date.now() - seconds * 1000);
}

/** What somebody might put into an address to read what is not theirs. */
export const HOSTILE: readonly string[] = [
  '', '.*', '.+', '*', 'shop-7d9f-x2x"} or {namespace="', 'shop-7d9f-x2x",namespace="',
  'x"}|~".*', '"', '\\', '\\"', '`', '../../store-b/pods/shop-7d9f-x2x', '%2e%2e/secrets',
  'a\nb', '\0', '{', '}', '${x}', 'shop-7d9f-x2x?container=php', 'é', '😀',
]; // prettier-ignore

/** @param faults what the subject can be made to do */
export function testLogSource(
  name: string,
  open: () => Promise<LogSubject>,
  faults: readonly Misbehaviour[] = MISBEHAVIOURS,
): void {
  describe(`${name}, by the contract of log sources`, () => {
    let subject: LogSubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    const read = (
      writer: Partial<LogWriter> = {},
      options: { readonly lines?: number; readonly since?: Date } = {},
      namespace = subject.namespace,
    ) =>
      subject.source.readLines(
        namespace,
        { ...SHOP, ...writer },
        { lines: 100, since: ago(3600), ...options },
      );

    test('the lines of one container, oldest first, as they were written', async () => {
      const lines = ['first', '  {"msg":"“quoted” \\"and\\" \\\\"}', '', 'é 😀\ttab', 'last'];
      await subject.write(
        subject.namespace,
        SHOP,
        lines.map((line, index) => ({ at: ago(100 - index), line })),
      );
      await subject.write(subject.namespace, { ...SHOP, container: 'sidecar' }, [
        { at: ago(50), line: 'another container’s' },
      ]);
      await subject.write(subject.namespace, { ...SHOP, pod: 'shop-7d9f-x2x-b' }, [
        { at: ago(50), line: 'another pod’s' },
      ]);
      expect(await read()).toEqual(lines);
      expect(await read({ container: 'sidecar' })).toEqual(['another container’s']);
    });

    test('the last ones, when there are more than are wanted', async () => {
      await subject.write(
        subject.namespace,
        SHOP,
        Array.from({ length: 30 }, (_, index) => ({ at: ago(100 - index), line: `${index}` })),
      );
      expect(await read({}, { lines: 3 })).toEqual(['27', '28', '29']);
    });

    test('none from before the time that is asked for', async () => {
      await subject.write(subject.namespace, SHOP, [
        { at: ago(1800), line: 'old' },
        { at: ago(60), line: 'new' },
      ]);
      expect(await read({}, { since: ago(600) })).toEqual(['new']);
      expect(await read({}, { since: ago(10) })).toEqual([]);
    });

    test('nothing of a pod or a container that is not there', async () => {
      await subject.write(subject.namespace, SHOP, [{ at: ago(60), line: 'x' }]);
      expect(await read({ pod: 'nobody' })).toEqual([]);
      expect(await read({ container: 'nobody' })).toEqual([]);
    });

    test('a namespace has its own lines and no other’s, whatever the names', async () => {
      await subject.write(subject.neighbour, SHOP, [{ at: ago(60), line: 'a secret' }]);
      await subject.write(subject.namespace, SHOP, [{ at: ago(60), line: 'mine' }]);
      expect(await read()).toEqual(['mine']);
      expect(await read({}, {}, subject.neighbour)).toEqual(['a secret']);
      for (const hostile of HOSTILE)
        for (const writer of [
          { pod: hostile },
          { container: hostile },
          { pod: hostile, container: hostile },
          { pod: `${hostile}${subject.neighbour}` },
        ])
          expect(await read(writer).catch(() => []), JSON.stringify(writer)).toEqual([]);
      for (const hostile of HOSTILE)
        expect(
          await read({}, {}, `${subject.namespace}${hostile}x`).catch(() => []),
          hostile,
        ).toEqual([]);
    });

    test.each(faults)('an answer that is none is an error that may pass: %s', async (how) => {
      await subject.write(subject.namespace, SHOP, [{ at: ago(60), line: 'x' }]);
      subject.misbehave(how);
      const error = await read().then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(PlatformError);
      expect(error).toMatchObject({ retryable: true });
    });
  });
}
