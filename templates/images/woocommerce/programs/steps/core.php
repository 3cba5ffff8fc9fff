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

/**
 * The password in the Secret is the administrator's first; merchants change theirs. Only when the Secret itself is
 * another than before, as after a restore into a new namespace, does it count again.
 */
function keep_admission(string $user, string $password): void
{
    $known = (string) get_option('shopyard_admin_secret');
    if ($known !== '' && wp_check_password($password, $known)) {
        return;
    }
    if ($known !== '') {
        $administrator = get_user_by('login', $user) ?: give_up("the user $user of the Secret store-admin is gone");
        wp_set_password($password, $administrator->ID);
        say("core: $user has the password of the new Secret");
    }
    update_option('shopyard_admin_secret', wp_hash_password($password), false);
}

$user = read_secret('SHOPYARD_ADMIN_SECRETS', 'username');
$password = read_secret('SHOPYARD_ADMIN_SECRETS', 'password');
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
    keep_admission($user, $password);
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
$result = wp_install(
    ucfirst($name),
    $user,
    read_secret('SHOPYARD_ADMIN_SECRETS', 'email'),
    true,
    '',
    wp_slash($password),
);
if (is_wp_error($result)) {
    give_up('WordPress could not be installed: ' . $result->get_error_message());
}
if (!user_can((int) $result['user_id'], 'manage_options')) {
    give_up("the user $user is not an administrator");
}
keep_admission($user, $password);
update_option('shopyard_installed', $wp_version);
say("core: installed WordPress $wp_version, administrator $user");
