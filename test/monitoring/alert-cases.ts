/**
 * For every alert a case in which it fires and one in which it is quiet, in promtool's notation:
 * `0+60x10` is 0, 60, … 600, a sample each minute.
 */
export type Series = Readonly<Record<string, string>>;

export type AlertCase = {
  /** Between two samples; default a minute. */
  readonly step?: '30m';
  readonly fires: {
    readonly series: Series;
    /** When it is looked at. */
    readonly at: string;
    /** Of each alert: its labels besides the severity, and what its summary says. */
    readonly alerts: readonly {
      readonly labels: Readonly<Record<string, string>>;
      readonly summary: string;
    }[];
  };
  readonly quiet: { readonly series: Series; readonly at: string };
};

const DAY = 86_400;
const backup = 'namespace="store-7f3k-acme", cronjob="backup"';

export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  StoreStuck: {
    fires: {
      series: {
        // Two processes tell of the same stores.
        'stores_stuck{status="deleting", instance="a"}': '1x20',
        'stores_stuck{status="deleting", instance="b"}': '1x20',
        'stores_total{status="failed", type="medusa"}': '1x20',
        'stores_total{status="failed", type="woocommerce"}': '2x20',
      },
      at: '10m',
      alerts: [
        { labels: { status: 'deleting' }, summary: '1 stores are stuck: deleting.' },
        { labels: { status: 'failed' }, summary: '3 stores are stuck: failed.' },
      ],
    },
    quiet: {
      series: {
        'stores_stuck{status="deleting"}': '1 1 1 0x20',
        'stores_total{status="failed", type="medusa"}': '0x20',
        'stores_total{status="provisioning", type="medusa"}': '40x20',
      },
      at: '10m',
    },
  },
  WriterBehind: {
    fires: {
      series: { 'queue_oldest_seconds{state="queued"}': '0+60x10' },
      at: '10m',
      alerts: [{ labels: {}, summary: 'A change has waited 10m 0s for the writer.' }],
    },
    quiet: {
      series: {
        'queue_oldest_seconds{state="queued"}': '1 3 2 0 110 0x10',
        // Nobody has approved it yet: that is no fault of the writer's.
        'queue_oldest_seconds{state="review"}': '9000+60x20',
      },
      at: '10m',
    },
  },
  WatchStale: {
    fires: {
      series: {
        'cluster_silence_seconds{cluster="east"}': '30+60x20',
        'cluster_silence_seconds{cluster="west"}': 'Inf '.repeat(20),
        'cluster_silence_seconds{cluster="north"}': '12x20',
      },
      at: '10m',
      alerts: [
        { labels: { cluster: 'east' }, summary: 'Cluster east has said nothing for 10m 30s.' },
        { labels: { cluster: 'west' }, summary: 'Cluster west has said nothing for +Inf.' },
      ],
    },
    quiet: {
      series: { 'cluster_silence_seconds{cluster="east"}': '0 60 5 59 240 0 30x10' },
      at: '10m',
    },
  },
  ForgeRefusing: {
    fires: {
      series: {
        'work_failures_total{work="writer", code="forge_denied"}': '0+6x20',
        'git_publish_retries_total{reason="remote_unreachable"}': '0+2x20',
        'check_ready{check="reviews"}': '0x20',
      },
      at: '15m',
      alerts: [
        {
          labels: { code: 'forge_denied' },
          summary: 'The forge does not take our changes: forge_denied.',
        },
        {
          labels: { reason: 'remote_unreachable' },
          summary: 'The forge does not take our changes: remote_unreachable.',
        },
        { labels: { check: 'reviews' }, summary: 'The forge does not take our changes: reviews.' },
      ],
    },
    quiet: {
      series: {
        // Other reasons have other alerts; one hiccup has none.
        'work_failures_total{work="writer", code="lease_lost"}': '0+6x20',
        'work_failures_total{work="writer", code="forge_unreachable"}': '0 1x20',
        'git_publish_retries_total{reason="moved"}': '0+9x20',
        'check_ready{check="reviews"}': '1x20',
      },
      at: '15m',
    },
  },
  CertificateExpiring: {
    fires: {
      series: {
        'certmanager_certificate_expiration_timestamp_seconds{namespace="shopyard", name="portal"}': `${13 * DAY}x120`,
      },
      at: '120m',
      alerts: [
        {
          labels: { namespace: 'shopyard', name: 'portal' },
          summary: 'The certificate shopyard/portal ends in 12d 22h 0m 0s.',
        },
      ],
    },
    quiet: {
      series: {
        'certmanager_certificate_expiration_timestamp_seconds{namespace="shopyard", name="portal"}': `${29 * DAY}x120`,
      },
      at: '120m',
    },
  },
  ClusterCredentialExpiring: {
    fires: {
      series: {
        // One of two processes has the new file already.
        'cluster_credential_expiry_timestamp_seconds{cluster="east", instance="a"}': `${13 * DAY}x120`,
        'cluster_credential_expiry_timestamp_seconds{cluster="east", instance="b"}': `${365 * DAY}x120`,
        'cluster_credential_expiry_timestamp_seconds{cluster="west", instance="a"}': '3600x120',
      },
      at: '120m',
      alerts: [
        {
          labels: { cluster: 'east' },
          summary: 'The credential for cluster east ends in 12d 22h 0m 0s.',
        },
        { labels: { cluster: 'west' }, summary: 'The credential for cluster west has ended.' },
      ],
    },
    quiet: {
      series: {
        'cluster_credential_expiry_timestamp_seconds{cluster="east"}': `${15 * DAY}x120`,
        // Renewed within the hour.
        'cluster_credential_expiry_timestamp_seconds{cluster="west"}': `${13 * DAY}x40 ${365 * DAY}x80`,
      },
      at: '120m',
    },
  },
  BackupMissing: {
    step: '30m',
    fires: {
      series: {
        [`kube_cronjob_status_last_successful_time{${backup}}`]: '3600x80',
        [`kube_cronjob_created{${backup}}`]: '0x80',
        // This one never had any.
        'kube_cronjob_created{namespace="store-7f3k-new", cronjob="backup"}': '7200x80',
      },
      at: '2400m',
      alerts: [
        {
          labels: { namespace: 'store-7f3k-acme' },
          summary: 'The store in store-7f3k-acme has no backup of the last 36 hours.',
        },
        {
          labels: { namespace: 'store-7f3k-new' },
          summary: 'The store in store-7f3k-new has no backup of the last 36 hours.',
        },
      ],
    },
    quiet: {
      series: {
        [`kube_cronjob_status_last_successful_time{${backup}}`]: '3600x40 75600x40',
        [`kube_cronjob_created{${backup}}`]: '0x80',
        // Suspended with its store, and run by hand only.
        'kube_cronjob_created{namespace="store-7f3k-asleep", cronjob="backup"}': '0x80',
        'kube_cronjob_spec_suspend{namespace="store-7f3k-asleep", cronjob="backup"}': '1x80',
        'kube_cronjob_created{namespace="store-7f3k-acme", cronjob="restore"}': '0x80',
      },
      at: '2400m',
    },
  },
  ControlPlaneDown: {
    fires: {
      series: {
        'up{job="shopyard", instance="a"}': '1 0x10',
        'up{job="shopyard", instance="b"}': '0x10',
        'check_ready{check="database", instance="a"}': '0x10',
      },
      at: '8m',
      alerts: [
        {
          labels: {},
          summary: 'The control plane does not work: none of its processes answers.',
        },
        {
          labels: { check: 'database' },
          summary: 'The control plane does not work: its database cannot be reached.',
        },
      ],
    },
    quiet: {
      series: {
        'up{job="shopyard", instance="a"}': '1x10',
        'up{job="shopyard", instance="b"}': '0x10',
        'check_ready{check="database", instance="a"}': '1x10',
        'check_ready{check="database", instance="b"}': '0 1x10',
      },
      at: '8m',
    },
  },
};
