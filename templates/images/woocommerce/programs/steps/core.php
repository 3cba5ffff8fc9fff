<?php
/**
 * WordPress itself: installed when the database is empty, its tables brought up to date when the image is newer.
 * The option `shopyard_installed` is written last; without it an installation was cut short and is gone through again.
 */
declare(strict_types=1);

require __DIR__ . '/../wordpress.php';

wait_for_database(120);
pretend_request();
define('WP_INSTALLING', true);
require '/usr/src/wordpress/wp-load.php';
die_with_a_code();

$begun = is_blog_installed();
if ($begun && get_option('shopyard_installed')) {
    if ((int) get_option('db_version') !== (int) $wp_db_version) {
        require_once ABSPATH . 'wp-admin/includes/upgrade.php';
        $from = get_option('db_version');
        wp_upgrade();
        say("core: tables upgraded from $from to $wp_db_version (WordPress $wp_version)");
    } else {
        say("core: WordPress $wp_version is installed");
    }
    exit(0);
}

// An installation asks nothing of the network: no address of the store answers yet, no mail is sent.
add_filter('pre_http_request', static fn (): WP_Error => new WP_Error('set-up', 'no network during installation'));
add_filter('pre_wp_mail', '__return_true');
/** Replaces WordPress's "your new site" mail, which tells the password's owner nothing new. */
function wp_new_blog_notification(): void
{
}

if ($begun) {
    $seeded = $wpdb->get_var("SELECT COUNT(*) FROM $wpdb->terms") > 0;
    if ($seeded) {
        /** The default content is there from the run that was cut short. */
        function wp_install_defaults(): void
        {
        }
    }
}

require_once ABSPATH . 'wp-admin/includes/upgrade.php';
$name = getenv('SHOPYARD_STORE_NAME') ?: give_up('SHOPYARD_STORE_NAME is not set');
$user = read_secret('SHOPYARD_ADMIN_SECRETS', 'username');
$result = wp_install(
    ucfirst($name),
    $user,
    read_secret('SHOPYARD_ADMIN_SECRETS', 'email'),
    true,
    '',
    wp_slash(read_secret('SHOPYARD_ADMIN_SECRETS', 'password')),
);
if (is_wp_error($result)) {
    give_up('WordPress could not be installed: ' . $result->get_error_message());
}
if (!user_can((int) $result['user_id'], 'manage_options')) {
    give_up("the user $user is not an administrator");
}
update_option('shopyard_installed', $wp_version);
say("core: installed WordPress $wp_version, administrator $user");
