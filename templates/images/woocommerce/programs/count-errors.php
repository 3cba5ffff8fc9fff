<?php
/**
 * Runs before every request of the shop (apache.conf): a fatal error adds a byte to a file, whose size is what
 * metrics/metrics.php tells. Before WordPress, so that its own faults count too, and what it does about them hides none.
 */
register_shutdown_function(static function (): void {
    $fatal = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
    if (((error_get_last()['type'] ?? 0) & $fatal) !== 0) {
        @file_put_contents('/tmp/php-fatal-errors', '.', FILE_APPEND);
    }
});
