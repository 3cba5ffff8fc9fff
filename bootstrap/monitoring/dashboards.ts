/**
 * The dashboards: the one source of dashboards/*.json, which are written from here and held to it by a
 * test. A panel names whose metrics it asks: `shopyard`'s are tried on a real Prometheus that scrapes a
 * running control plane, `store`'s on what shops told in the lab; the others' come from parts that only a
 * cluster has.
 *
 * What the control plane reads from its database is told by each of its processes: `max`, not `sum`.
 */

/** Who has the metrics that a panel asks for. */
export type Source =
  'shopyard' | 'store' | 'argo-cd' | 'kube-state-metrics' | 'kubelet' | 'traefik' | 'cert-manager';

type Unit = 'short' | 's' | 'percentunit' | 'bytes' | 'ops' | 'reqps' | 'bool';

export type Panel = {
  readonly title: string;
  readonly source: Source;
  readonly unit: Unit;
  /** As one number rather than over time. */
  readonly single?: true;
  readonly queries: readonly { readonly expr: string; readonly legend: string }[];
};

export type Dashboard = {
  readonly uid: string;
  readonly title: string;
  /** Chosen at the top of the page: a label's values. */
  readonly variable?: { readonly name: string; readonly query: string };
  readonly panels: readonly Panel[];
};

/** One query, over time; `legend` may name labels: `{{status}}`. */
function panel(source: Source, unit: Unit, title: string, expr: string, legend = ''): Panel {
  return { title, source, unit, queries: [{ expr, legend }] };
}

function single(...of: Parameters<typeof panel>): Panel {
  return { ...panel(...of), single: true };
}

/** Median and the slowest twentieth of a histogram of ours. */
function times(title: string, metric: string, by: string | null): Panel {
  const group = by === null ? 'le' : `le, ${by}`;
  const quantile = (share: number) =>
    `histogram_quantile(${share}, sum by (${group}) (rate(${metric}_bucket[$__rate_interval])))`;
  const legend = by === null ? '' : ` {{${by}}}`;
  return {
    ...panel('shopyard', 's', title, quantile(0.5), `half${legend}`),
    queries: [
      { expr: quantile(0.5), legend: `half${legend}` },
      { expr: quantile(0.95), legend: `95 %${legend}` },
    ],
  };
}

/** How much there is of something, below how much there may be. */
function share(title: string, used: string, limit: string): Panel {
  return {
    ...panel('store', 'short', title, used),
    queries: [
      { expr: used, legend: 'in use' },
      { expr: limit, legend: 'at most' },
    ],
  };
}

const STORES = 'max by (status, type) (stores_total)';

const FLEET: Dashboard = {
  uid: 'shopyard-fleet',
  title: 'Shopyard: fleet',
  panels: [
    single('shopyard', 'short', 'Stores', `sum(${STORES})`),
    single('shopyard', 'short', 'Ready', 'sum(max by (type) (stores_total{status="ready"}))'),
    single('shopyard', 'short', 'Failed', 'sum(max by (type) (stores_total{status="failed"}))'),
    single('shopyard', 'short', 'Stuck', 'sum(max by (status) (stores_stuck))'),
    panel('shopyard', 'short', 'Stores by status', `sum by (status) (${STORES})`, '{{status}}'),
    panel('shopyard', 'short', 'Stores by type', `sum by (type) (${STORES})`, '{{type}}'),
    panel(
      'shopyard',
      'short',
      'Stores by cluster',
      'max by (cluster) (cluster_stores)',
      '{{cluster}}',
    ),
    panel(
      'shopyard',
      's',
      'Since a cluster was heard',
      'min by (cluster) (cluster_silence_seconds)',
      '{{cluster}}',
    ),
    panel(
      'shopyard',
      's',
      'A cluster’s credential ends in',
      'min by (cluster) (cluster_credential_expiry_timestamp_seconds) - time()',
      '{{cluster}}',
    ),
    times('From request to ready', 'provisioning_duration_seconds', 'type'),
    panel(
      'shopyard',
      'short',
      'Creates that were refused or failed',
      'sum by (code) (increase(store_creation_errors_total[$__rate_interval]))',
      '{{code}}',
    ),
    panel(
      'shopyard',
      'reqps',
      'Requests by status',
      'sum by (status) (rate(http_request_duration_seconds_count[$__rate_interval]))',
      '{{status}}',
    ),
    times('Time to answer', 'http_request_duration_seconds', null),
    panel('shopyard', 'short', 'Browsers that follow', 'sum(sse_clients)'),
    panel('shopyard', 's', 'Events go out after', 'max(event_lag_seconds)'),
    panel('shopyard', 'bool', 'Checks', 'min by (check) (check_ready)', '{{check}}'),
    panel(
      'shopyard',
      'bytes',
      'Memory by process',
      'process_resident_memory_bytes{job=~".*shopyard.*"}',
      '{{instance}}',
    ),
  ],
};

const QUEUE: Dashboard = {
  uid: 'shopyard-queue',
  title: 'Shopyard: git and queue',
  panels: [
    panel(
      'shopyard',
      'short',
      'Changes that wait',
      'max by (state) (queue_operations)',
      '{{state}}',
    ),
    panel(
      'shopyard',
      's',
      'The oldest waits for',
      'max by (state) (queue_oldest_seconds)',
      '{{state}}',
    ),
    panel(
      'shopyard',
      'ops',
      'Changes published',
      'sum(rate(git_publish_operations_sum[$__rate_interval]))',
    ),
    times('Time to publish a batch', 'git_publish_seconds', null),
    panel(
      'shopyard',
      'short',
      'Batches planned again',
      'sum by (reason) (increase(git_publish_retries_total[$__rate_interval]))',
      '{{reason}}',
    ),
    panel(
      'shopyard',
      'short',
      'Pushes told to Argo CD',
      'sum by (cluster, result) (increase(relayed_pushes_total[$__rate_interval]))',
      '{{cluster}} {{result}}',
    ),
    panel('shopyard', 'short', 'Processes at work', 'sum by (work) (work_active)', '{{work}}'),
    panel(
      'shopyard',
      'short',
      'Work that stopped',
      'sum(increase(work_failures_total[$__rate_interval])) or vector(0)',
      'in all',
    ),
    panel(
      'shopyard',
      'short',
      'Applications seen',
      'max by (cluster) (observer_applications)',
      '{{cluster}}',
    ),
    panel(
      'shopyard',
      'short',
      'Applications of no store',
      'max by (cluster) (observer_orphans)',
      '{{cluster}}',
    ),
    panel(
      'shopyard',
      'short',
      'Stores to be judged',
      'max by (cluster) (observer_pending)',
      '{{cluster}}',
    ),
    panel(
      'shopyard',
      's',
      'Age of the watch',
      'max by (cluster) (observer_watch_age_seconds)',
      '{{cluster}}',
    ),
    panel(
      'shopyard',
      'ops',
      'Observers',
      'sum by (cluster, event) (rate(observer_events_total[$__rate_interval]))',
      '{{cluster}} {{event}}',
    ),
    times('Time to judge a batch', 'observer_batch_seconds', 'cluster'),
    panel(
      'shopyard',
      'short',
      'Stores in a batch',
      'sum(rate(observer_batch_stores_sum[$__rate_interval])) / sum(rate(observer_batch_stores_count[$__rate_interval]))',
    ),
  ],
};

const NAMESPACE = 'namespace="$namespace"';
const CONTAINERS = `${NAMESPACE}, container!="", container!="POD"`;

const STORE: Dashboard = {
  uid: 'shopyard-store',
  title: 'Shopyard: one store',
  variable: {
    name: 'namespace',
    query: 'label_values(kube_namespace_created{namespace=~"store-.+"}, namespace)',
  },
  panels: [
    single(
      'argo-cd',
      'short',
      'Health and sync',
      'max by (health_status, sync_status) (argocd_app_info{dest_namespace="$namespace"})',
      '{{health_status}}, {{sync_status}}',
    ),
    single(
      'kube-state-metrics',
      's',
      'Since the last backup',
      `time() - max(kube_cronjob_status_last_successful_time{${NAMESPACE}, cronjob="backup"})`,
    ),
    panel(
      'kube-state-metrics',
      'short',
      'Pods that run, of those wanted',
      `kube_deployment_status_replicas_available{${NAMESPACE}}`,
      '{{deployment}}',
    ),
    panel(
      'kube-state-metrics',
      'short',
      'Restarts',
      `sum by (pod) (increase(kube_pod_container_status_restarts_total{${NAMESPACE}}[1h]))`,
      '{{pod}}',
    ),
    panel(
      'kubelet',
      'short',
      'Processors in use',
      `sum by (pod) (rate(container_cpu_usage_seconds_total{${CONTAINERS}}[$__rate_interval]))`,
      '{{pod}}',
    ),
    panel(
      'kubelet',
      'bytes',
      'Memory in use',
      `sum by (pod) (container_memory_working_set_bytes{${CONTAINERS}})`,
      '{{pod}}',
    ),
    panel(
      'kubelet',
      'percentunit',
      'Volumes, how full',
      `max by (persistentvolumeclaim) (kubelet_volume_stats_used_bytes{${NAMESPACE}} / kubelet_volume_stats_capacity_bytes{${NAMESPACE}})`,
      '{{persistentvolumeclaim}}',
    ),
    panel(
      'kube-state-metrics',
      'percentunit',
      'Of its quota',
      `max by (resource) (kube_resourcequota{${NAMESPACE}, type="used"}) / (max by (resource) (kube_resourcequota{${NAMESPACE}, type="hard"}) > 0)`,
      '{{resource}}',
    ),
    panel(
      'traefik',
      'reqps',
      'Requests by status',
      'sum by (code) (rate(traefik_service_requests_total{service=~"$namespace-.+"}[$__rate_interval]))',
      '{{code}}',
    ),
    panel(
      'traefik',
      's',
      'Time to answer, 95 %',
      'histogram_quantile(0.95, sum by (le) (rate(traefik_service_request_duration_seconds_bucket{service=~"$namespace-.+"}[$__rate_interval])))',
    ),
    // A shop is asked once a minute: of the usual interval no rate would be known. Orders and connections are the whole
    // shop's and told by each of its pods; errors and workers are a pod's own.
    panel(
      'store',
      'short',
      'Orders by status',
      `max by (status) (shopyard_store_orders{${NAMESPACE}})`,
      '{{status}}',
    ),
    panel(
      'store',
      'short',
      'Requests that PHP gave up',
      `sum(increase(shopyard_store_php_fatal_errors_total{${NAMESPACE}}[5m]))`,
    ),
    share(
      'PHP workers',
      `sum(shopyard_store_php_workers{${NAMESPACE}, state="busy"})`,
      `sum(shopyard_store_php_workers_limit{${NAMESPACE}})`,
    ),
    share(
      'Database connections',
      `max(shopyard_store_database_connections{${NAMESPACE}})`,
      `max(shopyard_store_database_connections_limit{${NAMESPACE}})`,
    ),
    panel(
      'cert-manager',
      's',
      'Its certificates end in',
      `min by (name) (certmanager_certificate_expiration_timestamp_seconds{${NAMESPACE}}) - time()`,
      '{{name}}',
    ),
  ],
};

const ARGO_CD: Dashboard = {
  uid: 'shopyard-argo-cd',
  title: 'Shopyard: Argo CD',
  panels: [
    panel(
      'argo-cd',
      'short',
      'Applications by health',
      'sum by (health_status) (argocd_app_info)',
      '{{health_status}}',
    ),
    panel(
      'argo-cd',
      'short',
      'Applications by sync',
      'sum by (sync_status) (argocd_app_info)',
      '{{sync_status}}',
    ),
    panel(
      'argo-cd',
      'short',
      'Syncs by how they ended',
      'sum by (phase) (increase(argocd_app_sync_total[$__rate_interval]))',
      '{{phase}}',
    ),
    panel(
      'argo-cd',
      's',
      'Time to reconcile, 95 %',
      'histogram_quantile(0.95, sum by (le) (rate(argocd_app_reconcile_bucket[$__rate_interval])))',
    ),
    panel(
      'argo-cd',
      'short',
      'Waiting to be reconciled',
      'sum by (name) (workqueue_depth{name=~"app_.+"})',
      '{{name}}',
    ),
    panel(
      'argo-cd',
      'ops',
      'Git requests',
      'sum by (request_type) (rate(argocd_git_request_total[$__rate_interval]))',
      '{{request_type}}',
    ),
    panel(
      'argo-cd',
      's',
      'Git requests, 95 %',
      'histogram_quantile(0.95, sum by (le, request_type) (rate(argocd_git_request_duration_seconds_bucket[$__rate_interval])))',
      '{{request_type}}',
    ),
    panel('argo-cd', 'short', 'Manifests being made', 'sum(argocd_repo_pending_request_total)'),
    panel(
      'argo-cd',
      'ops',
      'Calls to the cluster',
      'sum by (response_code) (rate(argocd_app_k8s_request_total[$__rate_interval]))',
      '{{response_code}}',
    ),
  ],
};

export const DASHBOARDS: readonly Dashboard[] = [FLEET, STORE, QUEUE, ARGO_CD];
