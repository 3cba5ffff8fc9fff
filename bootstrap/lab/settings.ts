/** What a person may set about the lab, by environment variables (README.md lists them). */

export interface LabSettings {
  /** Seconds after which Argo CD ends a sync that hangs (its own default is: never). */
  readonly syncTimeoutSeconds: number;
  /** Seconds between Argo CD's looks at the repository when no webhook told it of a push. */
  readonly reconciliationSeconds: number;
  /** Seconds Argo CD waits between two sync waves (2 is Argo CD's own default). */
  readonly syncWaveDelaySeconds: number;
}

/** By so much Argo CD's looks at the repository are spread. */
export const reconciliationJitter = '5s';

/** Reads the settings; throws one error that lists every value that is not right. */
export function readLabSettings(env: NodeJS.ProcessEnv): LabSettings {
  const problems: string[] = [];
  const readSeconds = (name: string, fallback: number): number => {
    const text = env[name];
    if (text === undefined || text === '') return fallback;
    if (/^\d{1,5}$/.test(text)) return Number(text);
    problems.push(`${name} must be a whole number of seconds, not ${JSON.stringify(text)}`);
    return fallback;
  };
  const settings = {
    syncTimeoutSeconds: readSeconds('LAB_SYNC_TIMEOUT_SECONDS', 180),
    reconciliationSeconds: readSeconds('LAB_RECONCILIATION_SECONDS', 60),
    syncWaveDelaySeconds: readSeconds('LAB_SYNC_WAVE_DELAY_SECONDS', 2),
  };
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return settings;
}
