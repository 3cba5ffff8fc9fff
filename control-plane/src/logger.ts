/** Structured logs: one JSON line an event, secrets never among them. */
import { pino, type Logger as PinoLogger } from 'pino';

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error'>;

/** @param level pino's: debug, info, warn, error, silent */
export function createLogger(level: string): PinoLogger {
  return pino({
    level,
    redact: {
      paths: ['*.password', '*.token', '*.authorization', '*.headers.authorization', 'err.config'],
      censor: '[redacted]',
    },
  });
}
