<?php
/**
 * Loads WordPress for a program without a browser: the address is the store's own, and a problem ends the program with
 * a code other than 0 (WordPress would print a page and exit with 0).
 */
declare(strict_types=1);

/** Prints one line to the log. */
function say(string $line): void
{
    fwrite(STDOUT, $line . "\n");
}

/** Ends the program with a reason. */
function give_up(string $reason): never
{
    fwrite(STDERR, $reason . "\n");
    exit(1);
}

/** The content of a mounted Secret's key. */
function read_secret(string $folder, string $key): string
{
    $path = (getenv($folder) ?: give_up("$folder is not set")) . "/$key";
    $value = @file_get_contents($path);
    return $value === false || $value === '' ? give_up("$path cannot be read") : $value;
}

/** Waits until the database takes a connection with the store's own user. */
function wait_for_database(int $seconds): void
{
    mysqli_report(MYSQLI_REPORT_OFF);
    $password = read_secret('SHOPYARD_INTERNAL_SECRETS', 'database-password');
    for ($deadline = time() + $seconds; ; usleep(500_000)) {
        $connection = mysqli_init();
        $connection->options(MYSQLI_OPT_CONNECT_TIMEOUT, 3);
        $connected = @$connection->real_connect(
            (string) getenv('WORDPRESS_DB_HOST'),
            (string) getenv('WORDPRESS_DB_USER'),
            $password,
            (string) getenv('WORDPRESS_DB_NAME'),
        );
        if ($connected) {
            $connection->close();
            return;
        }
        if (time() >= $deadline) {
            give_up('the database did not answer within ' . $seconds . ' s: ' . mysqli_connect_error());
        }
    }
}

/** What WordPress expects of a request; call it before loading wp-load.php or wp-cron.php. */
function pretend_request(): void
{
    $url = parse_url((string) getenv('WORDPRESS_URL'));
    $host = $url['host'] ?? give_up('WORDPRESS_URL is not an address');
    $https = ($url['scheme'] ?? '') === 'https';
    $_SERVER['HTTP_HOST'] = isset($url['port']) ? "$host:{$url['port']}" : $host;
    $_SERVER['SERVER_NAME'] = $host;
    $_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
    $_SERVER['REQUEST_METHOD'] = 'GET';
    $_SERVER['REQUEST_URI'] = '/';
    $_SERVER['REMOTE_ADDR'] = '127.0.0.1';
    if ($https) {
        $_SERVER['HTTP_X_FORWARDED_PROTO'] = 'https';
    }
    // PHP's own line in the log instead of a page for visitors.
    define('WP_DISABLE_FATAL_ERROR_HANDLER', true);
}

/** After WordPress is loaded: its own way of dying becomes an error code and a line in the log. */
function die_with_a_code(): void
{
    add_filter('wp_die_handler', static fn (): callable => static function (mixed $message): never {
        $text = $message instanceof WP_Error ? $message->get_error_message() : (string) $message;
        give_up('WordPress: ' . trim(strip_tags($text)));
    }, PHP_INT_MAX);
}
