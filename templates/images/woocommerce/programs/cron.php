<?php
/**
 * What is due in WordPress's schedule, then what is queued in WooCommerce's, run once; the CronJob's program. Two runs
 * never overlap (concurrencyPolicy: Forbid), so it takes no lock. An event that fails does not keep the others.
 */
declare(strict_types=1);

require __DIR__ . '/wordpress.php';

/** No further batch of the queue is begun after so many seconds; the CronJob ends its pods later. */
const ENOUGH_SECONDS = 120;

wait_for_database(30);
pretend_request();
define('DOING_CRON', true);
require '/usr/src/wordpress/wp-load.php';

$started = time();
$failed = 0;
$events = 0;
foreach (wp_get_ready_cron_jobs() as $time => $hooks) {
    foreach ($hooks as $hook => $due) {
        foreach ($due as $event) {
            if ($event['schedule'] !== false) {
                wp_reschedule_event($time, $event['schedule'], $hook, $event['args']);
            }
            wp_unschedule_event($time, $hook, $event['args']);
            $events++;
            try {
                do_action_ref_array($hook, $event['args']);
            } catch (Throwable $problem) {
                $failed++;
                fwrite(STDERR, "cron: $hook failed: {$problem->getMessage()}\n");
            }
        }
    }
}

$actions = 0;
if (class_exists('ActionScheduler')) {
    do {
        $batch = ActionScheduler::runner()->run('Shopyard');
        $actions += $batch;
    } while ($batch > 0 && time() - $started < ENOUGH_SECONDS);
}
say("cron: $events events, $failed failed, $actions actions");
exit($failed > 0 ? 1 : 0);
