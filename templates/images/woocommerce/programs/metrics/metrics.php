<?php
/**
 * What a shop tells Prometheus, asked by its pod's metrics port (apache.conf). It reads and never writes, loads no
 * WordPress, and answers within seconds whatever is away: what cannot be known is left out.
 */
declare(strict_types=1);

/** Of an order's statuses, those that WooCommerce itself has. A plugin's own count as `other`. */
const STATUSES = ['pending', 'processing', 'on-hold', 'completed', 'cancelled', 'refunded', 'failed'];
/** What is no order yet, or none any more. */
const NO_ORDERS = ['auto-draft', 'checkout-draft', 'draft', 'new', 'trash'];

/** Prints one metric. Samples: a value for each set of labels, as `status="failed"`. */
function tell(string $name, string $type, string $help, array $samples): void
{
    echo "# HELP $name $help\n# TYPE $name $type\n";
    foreach ($samples as $labels => $value) {
        echo $name, $labels === '' ? '' : "{{$labels}}", " $value\n";
    }
}

function connect(): ?mysqli
{
    mysqli_report(MYSQLI_REPORT_OFF);
    $password = @file_get_contents(getenv('SHOPYARD_INTERNAL_SECRETS') . '/database-password');
    $connection = mysqli_init();
    $connection->options(MYSQLI_OPT_CONNECT_TIMEOUT, 2);
    $connection->options(MYSQLI_OPT_READ_TIMEOUT, 3);
    $connected = $password !== false && @$connection->real_connect(
        (string) getenv('WORDPRESS_DB_HOST'),
        (string) getenv('WORDPRESS_DB_USER'),
        $password,
        (string) getenv('WORDPRESS_DB_NAME'),
    );
    return $connected ? $connection : null;
}

/** The first column's value by the second's; null when the database has no answer. */
function ask(mysqli $database, string $question): ?array
{
    $answer = @$database->query($question);
    return $answer instanceof mysqli_result ? array_column($answer->fetch_all(), 1, 0) : null;
}

/** Orders by status; null before the shop has any table of them. Both questions are answered by an index alone. */
function count_orders(mysqli $database): ?array
{
    $option = 'woocommerce_custom_orders_table_enabled';
    $tables = ask($database, "SELECT option_name, option_value FROM wp_options WHERE option_name = '$option'");
    if ($tables === null || $tables === []) {
        return null;
    }
    [$table, $type, $status] = $tables[$option] === 'yes'
        ? ['wp_wc_orders', 'type', 'status']
        : ['wp_posts', 'post_type', 'post_status'];
    // In a shop with millions of orders it gives up, rather than keep the shop waiting.
    $found = ask(
        $database,
        "SET STATEMENT max_statement_time = 2 FOR
         SELECT $status, COUNT(*) FROM $table WHERE $type = 'shop_order' GROUP BY $status",
    );
    if ($found === null) {
        return null;
    }
    $orders = array_fill_keys([...STATUSES, 'other'], 0);
    foreach ($found as $name => $number) {
        $name = preg_replace('/^wc-/', '', (string) $name);
        if (!in_array($name, NO_ORDERS, true)) {
            $orders[in_array($name, STATUSES, true) ? $name : 'other'] += (int) $number;
        }
    }
    return $orders;
}

/** Workers by what they do, without the two that are about this question; null when Apache's words are not known. */
function count_workers(int $limit): ?array
{
    $page = @file_get_contents('http://127.0.0.1:9118/?auto', false, stream_context_create(['http' => ['timeout' => 2]]));
    if ($page === false) {
        // A worker that is free answers at once, one that Apache has to start within a second: there is none.
        return ['busy' => $limit - 1, 'idle' => 0];
    }
    $found = preg_match('/^BusyWorkers: (\d+)$/m', $page, $busy) + preg_match('/^IdleWorkers: (\d+)$/m', $page, $idle);
    return $found === 2 ? ['busy' => max(0, (int) $busy[1] - 2), 'idle' => (int) $idle[1]] : null;
}

header('Content-Type: text/plain; version=0.0.4; charset=utf-8');

clearstatcache();
tell(
    'shopyard_store_php_fatal_errors_total',
    'counter',
    'Requests that PHP gave up with a fatal error, since the pod started',
    ['' => (int) @filesize('/tmp/php-fatal-errors')],
);

$limit = (int) getenv('SHOPYARD_WORKERS');
$workers = count_workers($limit);
if ($workers !== null) {
    tell(
        'shopyard_store_php_workers',
        'gauge',
        'Apache’s processes with a PHP each, by whether they have a visitor',
        ['state="busy"' => $workers['busy'], 'state="idle"' => $workers['idle']],
    );
}
tell('shopyard_store_php_workers_limit', 'gauge', 'How many of them there may be in this pod', ['' => $limit]);

$database = connect();
tell(
    'shopyard_store_database_up',
    'gauge',
    'Whether the shop’s database took a connection of this pod: 1 or 0',
    ['' => $database === null ? 0 : 1],
);
if ($database === null) {
    exit;
}
$connections = ask($database, "SHOW GLOBAL STATUS LIKE 'Threads_connected'");
if ($connections !== null) {
    tell(
        'shopyard_store_database_connections',
        'gauge',
        'Open connections to the shop’s database, of all pods',
        ['' => (int) current($connections)],
    );
}
$most = ask($database, "SHOW GLOBAL VARIABLES LIKE 'max_connections'");
if ($most !== null) {
    tell(
        'shopyard_store_database_connections_limit',
        'gauge',
        'How many connections the shop’s database takes',
        ['' => (int) current($most)],
    );
}
$orders = count_orders($database);
if ($orders !== null) {
    $samples = [];
    foreach ($orders as $status => $number) {
        $samples["status=\"$status\""] = $number;
    }
    tell('shopyard_store_orders', 'gauge', 'Orders in the shop, by status; no drafts', $samples);
}
