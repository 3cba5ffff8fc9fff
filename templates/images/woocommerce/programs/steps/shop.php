<?php
/**
 * The shop: its plugin activated. An image built without the plugin's archive is a WordPress, and says so.
 */
declare(strict_types=1);

require __DIR__ . '/../wordpress.php';

const PLUGIN = 'woocommerce/woocommerce.php';

pretend_request();
require '/usr/src/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
die_with_a_code();

if (!is_file(WP_PLUGIN_DIR . '/' . PLUGIN)) {
    say('shop: skipped, this image holds no WooCommerce (built without WOOCOMMERCE_ZIP)');
    exit(0);
}
if (is_plugin_active(PLUGIN)) {
    say('shop: WooCommerce is active');
    exit(0);
}
$result = activate_plugin(PLUGIN);
if (is_wp_error($result)) {
    give_up('WooCommerce could not be activated: ' . $result->get_error_message());
}
say('shop: WooCommerce activated');
