/**
 * The alert rules: the one source of rules.yaml, which is written from here and held to it by a test.
 * Every alert has a page that says what to do, docs/runbooks/<alert>.md, and a case in which it fires
 * and one in which it is quiet (test/monitoring/alert-cases.ts).
 *
 * `page`: somebody gets up; `ticket`: somebody looks in working hours. What the control plane reads from
 * its database is told by each of its processes: `max`, not `sum`.
 */

/** Where the runbooks are, in this repository; whoever installs the rules may name an address. */
const RUNBOOKS = 'docs/runbooks';
/** The job of our ServiceMonitor, or of whoever scrapes us. */
const JOB = 'job=~".*shopyard.*"';

export type Alert = {
  readonly name: string;
  readonly expr: string;
  /** How long it must hold. */
  readonly for: string;
  readonly severity: 'page' | 'ticket';
  /** One sentence; may name labels of the expression. */
  readonly summary: string;
};

export const ALERTS: readonly Alert[] = [
  {
    name: 'StoreStuck',
    expr: `max by (status) (stores_stuck) > 0
or sum by (status) (max by (status, type) (stores_total{status="failed"})) > 0`,
    for: '5m',
    severity: 'ticket',
    summary: '{{ $value }} stores are stuck: {{ $labels.status }}.',
  },
  {
    name: 'WriterBehind',
    expr: 'max(queue_oldest_seconds{state="queued"}) > 120',
    for: '2m',
    severity: 'page',
    summary: 'A change has waited {{ $value | humanizeDuration }} for the writer.',
  },
  {
    name: 'WatchStale',
    // A quiet cluster is heard every 90 seconds; the product calls it silent after three minutes.
    expr: 'min by (cluster) (cluster_silence_seconds) > 180',
    for: '2m',
    severity: 'page',
    summary: 'Cluster {{ $labels.cluster }} has said nothing for {{ $value | humanizeDuration }}.',
  },
  {
    name: 'ForgeRefusing',
    expr: `sum by (code) (increase(work_failures_total{work="writer", code=~"(forge|remote|push)_.+"}[5m])) > 0
or sum by (reason) (increase(git_publish_retries_total{reason=~"(forge|remote|push)_.+"}[5m])) > 0
or min by (check) (check_ready{check="reviews"}) == 0`,
    for: '5m',
    severity: 'page',
    summary:
      'The forge does not take our changes: {{ or $labels.code $labels.reason $labels.check }}.',
  },
  {
    name: 'CertificateExpiring',
    // cert-manager renews 30 days before the end: at 14 it has failed for two weeks.
    expr: 'min by (namespace, name) (certmanager_certificate_expiration_timestamp_seconds) - time() < 14 * 86400',
    for: '1h',
    severity: 'ticket',
    summary:
      'The certificate {{ $labels.namespace }}/{{ $labels.name }} ends in {{ $value | humanizeDuration }}.',
  },
  {
    name: 'ClusterCredentialExpiring',
    // Two processes may have two files: the worse one counts. Health says it at the same time (http/fleet.ts).
    expr: 'min by (cluster) (cluster_credential_expiry_timestamp_seconds) - time() < 14 * 86400',
    for: '1h',
    severity: 'ticket',
    summary:
      'The credential for cluster {{ $labels.cluster }} {{ if gt $value 0.0 }}ends in {{ $value | humanizeDuration }}{{ else }}has ended{{ end }}.',
  },
  {
    name: 'BackupMissing',
    // `restore` is suspended: it is run by hand. A store without a backup yet counts from its making.
    expr: `time() - max by (namespace) (
  kube_cronjob_status_last_successful_time{namespace=~"store-.+", cronjob="backup"}
  or kube_cronjob_created{namespace=~"store-.+", cronjob="backup"}
) > 36 * 3600
unless on (namespace) kube_cronjob_spec_suspend{cronjob="backup"} == 1`,
    for: '1h',
    severity: 'ticket',
    summary: 'The store in {{ $labels.namespace }} has no backup of the last 36 hours.',
  },
  {
    name: 'ControlPlaneDown',
    expr: `absent(up{${JOB}} == 1)
or max by (check) (check_ready{check="database"}) == 0`,
    for: '2m',
    severity: 'page',
    summary:
      'The control plane does not work: {{ if $labels.check }}its database cannot be reached{{ else }}none of its processes answers{{ end }}.',
  },
];

/** What Prometheus reads; kube-prometheus-stack takes the same below `additionalPrometheusRulesMap`. */
export function describeRules(runbooks: string = RUNBOOKS) {
  return {
    groups: [
      {
        name: 'shopyard',
        rules: ALERTS.map(({ name, expr, for: holds, severity, summary }) => ({
          alert: name,
          expr,
          for: holds,
          labels: { severity },
          annotations: { summary, runbook_url: `${runbooks}/${nameRunbook(name)}.md` },
        })),
      },
    ],
  };
}

/** The file of an alert's runbook: `StoreStuck` is told of in store-stuck.md. */
export function nameRunbook(alert: string): string {
  return alert.replace(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}
