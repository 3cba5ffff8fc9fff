<?php
/**
 * A store's WordPress settings, all from its environment and Secret files; the same file in every store.
 *
 *   WORDPRESS_URL                   public origin, e.g. https://shop.example.com
 *   WORDPRESS_DB_HOST/_NAME/_USER   the store's database
 *   SHOPYARD_INTERNAL_SECRETS       folder of Secret `store-internal`: database-password, redis-password and the keys
 *                                   and salts
 *   REDIS_HOST                      optional: the store's Redis, for the object cache
 *
 * Code is immutable (DISALLOW_FILE_MODS); cron runs from a CronJob (DISABLE_WP_CRON).
 */

(static function (): void {
    $setting = static function (string $name): string {
        $value = getenv($name);
        if ($value === false || $value === '') {
            throw new RuntimeException("$name is not set");
        }
        return $value;
    };
    $folder = $setting('SHOPYARD_INTERNAL_SECRETS');
    $secret = static function (string $key) use ($folder): string {
        $value = @file_get_contents("$folder/$key");
        if ($value === false) {
            throw new RuntimeException("$folder/$key cannot be read");
        }
        return $value;
    };

    $url = rtrim($setting('WORDPRESS_URL'), '/');
    define('WP_HOME', $url);
    define('WP_SITEURL', $url);

    define('DB_HOST', $setting('WORDPRESS_DB_HOST'));
    define('DB_NAME', $setting('WORDPRESS_DB_NAME'));
    define('DB_USER', $setting('WORDPRESS_DB_USER'));
    define('DB_PASSWORD', $secret('database-password'));
    define('DB_CHARSET', 'utf8mb4');
    define('DB_COLLATE', '');

    foreach (['auth', 'secure-auth', 'logged-in', 'nonce'] as $name) {
        $constant = strtoupper(strtr($name, '-', '_'));
        define("{$constant}_KEY", $secret("$name-key"));
        define("{$constant}_SALT", $secret("$name-salt"));
    }

    $redis = (string) getenv('REDIS_HOST');
    if ($redis === '') {
        define('WP_REDIS_DISABLED', true);
    } else {
        define('WP_REDIS_HOST', $redis);
        define('WP_REDIS_PASSWORD', $secret('redis-password'));
        define('WP_REDIS_TIMEOUT', 1);
        define('WP_REDIS_READ_TIMEOUT', 1);
        // Without its cache a shop is slow, not down.
        define('WP_REDIS_GRACEFUL', true);
    }

    define('FORCE_SSL_ADMIN', str_starts_with($url, 'https://'));
})();

$table_prefix = 'wp_';

define('DISALLOW_FILE_MODS', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);
define('WP_TEMP_DIR', '/tmp');
// The code belongs to root: WordPress would conclude that files are written over FTP.
define('FS_METHOD', 'direct');
define('WP_DEBUG', false);
define('WP_MEMORY_LIMIT', '256M');

// TLS ends at the ingress controller, the only way in.
if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
    $_SERVER['HTTPS'] = 'on';
}

if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
