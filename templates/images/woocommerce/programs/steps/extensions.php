<?php
/**
 * Readable addresses, the theme that the merchant chose among the options, and the plugin activated. An image built
 * without the plugin's archive is a WordPress, and says so.
 */
declare(strict_types=1);

require __DIR__ . '/../wordpress.php';

const PLUGIN = 'woocommerce/woocommerce.php';

pretend_request();
require '/usr/src/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
die_with_a_code();

// Before any plugin is loaded: without them it registers no addresses of its own, and the REST API has none either.
if (get_option('permalink_structure') === '') {
    $wp_rewrite->set_permalink_structure('/%postname%/');
    say('extensions: readable addresses');
}

// A theme switched in the shop's own admin stays until the option says another than before.
$theme = getenv('OPTION_THEME') ?: WP_DEFAULT_THEME;
if (!wp_get_theme($theme)->exists()) {
    say("extensions: this image holds no theme $theme, it stays " . get_stylesheet());
} elseif (get_option('shopyard_theme') !== $theme) {
    if (get_stylesheet() !== $theme) {
        switch_theme($theme);
    }
    update_option('shopyard_theme', $theme);
    say("extensions: theme $theme");
}

if (getenv('REDIS_HOST') && !wp_using_ext_object_cache()) {
    say('extensions: an object cache is asked for, but this image holds none (built without REDIS_CACHE_ZIP)');
}

if (!is_file(WP_PLUGIN_DIR . '/' . PLUGIN)) {
    say('extensions: this image holds no WooCommerce (built without WOOCOMMERCE_ZIP)');
    exit(0);
}
if (is_plugin_active(PLUGIN)) {
    say('extensions: WooCommerce is active');
    exit(0);
}
// Before its first start: else the first visit to the admin closes the shop to its customers.
add_option('woocommerce_coming_soon', 'no');
add_option('woocommerce_store_pages_only', 'no');
add_option('woocommerce_onboarding_profile', ['skipped' => true]);
add_option('woocommerce_allow_tracking', 'no');
$result = activate_plugin(PLUGIN);
if (is_wp_error($result)) {
    give_up('WooCommerce could not be activated: ' . $result->get_error_message());
}
delete_transient('_wc_activation_redirect');
say('extensions: WooCommerce activated');
