/**
 * Structured logs: one JSON line an event. No line is meant to hold a secret; what slips into one all
 * the same, in an error's words or an object's fields, is taken out of the finished line: fields that
 * are called like one, credentials in addresses and headers, our tokens, and every secret that this
 * process was given.
 */
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error'>;
/** One whose children have ids on each of their lines. */
export type ParentLogger = Logger & { child(ids: Readonly<Record<string, string>>): Logger };

const HIDDEN = '[redacted]';
/** A shorter one may be a word, and would be taken out of every line that has it. */
const SHORTEST_SECRET = 12;

/**
 * A line is written before the call returns (pino's own default hands it to another thread): what an
 * answer was given for is in the log, whatever becomes of the process next. Who does not read our
 * output stops us, as it would any program.
 *
 * @param level pino's: debug, info, warn, error, silent
 * @param secrets more may be added as they become known
 * @param destination default: standard output
 */
export function createLogger(
  level: string,
  secrets: ReadonlySet<string> = new Set(),
  destination: DestinationStream = pino.destination({ sync: true }),
): PinoLogger {
  return pino({ level, hooks: { streamWrite: (line) => redact(line, secrets) } }, destination);
}

const STRING = String.raw`"(?:[^"\\]|\\.)*"`;
const NAMED = new RegExp(
  String.raw`("[\w.-]*(?:password|passphrase|secret|token|authorization|cookie|credential|signature)":)(?:${STRING}|\[[^\]]*\])`,
  'gi',
);
/** In a line of JSON: a string ends before a quote or a backslash. */
const CREDENTIALS: readonly (readonly [RegExp, string])[] = [
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/"\\]+@/gi, `$1${HIDDEN}@`],
  [/\b(bearer|basic|token) +[\w.~+/=-]{8,}/gi, `$1 ${HIDDEN}`],
  [/(session_token=)[^;\s"\\]+/g, `$1${HIDDEN}`],
  [/\bshop_[\w-]{16,}/g, HIDDEN],
];

function redact(line: string, secrets: ReadonlySet<string>): string {
  let text = line.replaceAll(NAMED, `$1"${HIDDEN}"`);
  for (const [pattern, instead] of CREDENTIALS) text = text.replaceAll(pattern, instead);
  for (const secret of secrets)
    if (secret.length >= SHORTEST_SECRET)
      for (const written of [JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])
        text = text.replaceAll(written, HIDDEN);
  return text;
}
