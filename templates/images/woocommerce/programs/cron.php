<?php
/**
 * What is due in WordPress's schedule, run once; the CronJob's program. Action Scheduler's queue is one of the events.
 */
declare(strict_types=1);

require __DIR__ . '/wordpress.php';

wait_for_database(30);
pretend_request();
require '/usr/src/wordpress/wp-cron.php';
