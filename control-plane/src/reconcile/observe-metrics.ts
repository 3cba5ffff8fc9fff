/** What an observer counts, and how a watch's own reports are counted and logged. */
import type { WatchReport } from '../cluster/types.ts';
import type { Logger } from '../logger.ts';

export type ObserverMetrics = {
  count(
    name:
      | 'relists'
      | 'lists'
      | 'malformed'
      | 'interruptions'
      | 'status_changes'
      | 'questions'
      | 'question_errors'
      | 'batch_errors',
    by?: number,
  ): void;
  set(name: ObserverLevel, value: number): void;
  /** Forgets the levels: another process observes now, and what was known here grows stale. */
  clear(): void;
  record(name: 'batch_size' | 'batch_seconds', value: number): void;
};

export type ObserverLevel = 'applications' | 'orphans' | 'pending' | 'watch_age_seconds';

/** Makes the `report` of a watch: counts everything, logs what somebody may have to know. */
export function reportWatch(
  logger: Logger,
  metrics: ObserverMetrics,
  kind: string,
): (report: WatchReport) => void {
  return (report) => {
    switch (report.kind) {
      case 'listed':
        metrics.count('lists');
        logger.info({ ...report, kind }, `listed ${report.objects} ${kind}`);
        break;
      case 'relist':
        metrics.count('relists');
        logger.info({ kind, reason: report.reason }, `listing ${kind} again: ${report.reason}`);
        break;
      case 'malformed':
        metrics.count('malformed');
        logger.warn(
          { kind, name: report.name, reason: report.reason },
          `skipped ${report.name ?? 'one'} of ${kind}: ${report.reason}`,
        );
        break;
      case 'interrupted':
        metrics.count('interruptions');
        logger.debug({ ...report, kind }, `the watch of ${kind} was interrupted`);
        break;
      case 'refused':
        logger.error(
          { kind, status: report.status },
          `the cluster refuses to show ${kind} (${report.status}): check the observer's access`,
        );
        break;
    }
  };
}
