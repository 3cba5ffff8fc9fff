<?php
/**
 * The shop: a new one is made ready to take an order paid on delivery, an older one has its tables brought up to date.
 * The option `shopyard_shop` is written when a new shop is complete.
 */
declare(strict_types=1);

require __DIR__ . '/../wordpress.php';
require __DIR__ . '/../samples.php';

pretend_request();
require '/usr/src/wordpress/wp-load.php';
die_with_a_code();

if (!class_exists('WooCommerce')) {
    say('shop: skipped, there is no WooCommerce');
    exit(0);
}
$owner = get_user_by('login', read_secret('SHOPYARD_ADMIN_SECRETS', 'username'))
    ?: give_up('the shop has no user of the name in the Secret store-admin');
wp_set_current_user($owner->ID);

finish_installation();
upgrade_tables();
if (!get_option('shopyard_shop')) {
    set_locale(getenv('OPTION_COUNTRY') ?: 'DE', getenv('OPTION_CURRENCY') ?: 'EUR');
    offer_payment_and_delivery();
    WC_Install::create_pages();
    show_shop_first();
    if ((getenv('OPTION_SAMPLES') ?: 'true') === 'true') {
        add_samples();
    }
    update_option('shopyard_shop', WC()->version);
    say('shop: new, open, ready for an order paid on delivery');
}
admit_platform(
    $owner->ID,
    read_secret('SHOPYARD_API_SECRETS', 'consumer_key'),
    read_secret('SHOPYARD_API_SECRETS', 'consumer_secret'),
);
say('shop: WooCommerce ' . WC()->version);

/** What WooCommerce does at the first visit to its admin; a new shop gets the newer order tables there. */
function finish_installation(): void
{
    if (get_option(WC_Install::NEWLY_INSTALLED_OPTION) !== 'yes') {
        return;
    }
    WC_Install::newly_installed();
    $tables = get_option('woocommerce_custom_orders_table_enabled') === 'yes' ? 'orders in tables of their own' : 'orders as posts';
    say("shop: WooCommerce installed, $tables");
}

/** What `wp wc update` does. */
function upgrade_tables(): void
{
    if (!WC_Install::needs_db_update()) {
        return;
    }
    require_once WC_ABSPATH . 'includes/wc-update-functions.php';
    $from = (string) get_option('woocommerce_db_version');
    $done = 0;
    foreach (WC_Install::get_db_update_callbacks() as $version => $callbacks) {
        if (version_compare($from, (string) $version, '>=')) {
            continue;
        }
        foreach ($callbacks as $callback) {
            // A callback that returns true has more to do.
            for ($round = 0; $round < 1000 && call_user_func($callback); $round++);
            $done++;
        }
    }
    WC_Install::update_db_version();
    WC_Install::remove_update_db_notice();
    say("shop: tables upgraded from $from to " . get_option('woocommerce_db_version') . ", $done changes");
}

/** Where the shop is, what it counts in, and how that country writes prices and measures. */
function set_locale(string $country, string $currency): void
{
    $locales = include WC()->plugin_path() . '/i18n/locale-info.php';
    $locale = $locales[$country] ?? [];
    update_option('woocommerce_default_country', $country);
    update_option('woocommerce_currency', $currency);
    // Decimals are the currency's, the rest is the country's.
    $native = array_column($locales, 'num_decimals', 'currency_code');
    update_option('woocommerce_price_num_decimals', $native[$currency] ?? 2);
    $options = [
        'currency_pos' => 'woocommerce_currency_pos',
        'thousand_sep' => 'woocommerce_price_thousand_sep',
        'decimal_sep' => 'woocommerce_price_decimal_sep',
        'weight_unit' => 'woocommerce_weight_unit',
        'dimension_unit' => 'woocommerce_dimension_unit',
    ];
    foreach ($options as $name => $option) {
        if (isset($locale[$name])) {
            update_option($option, $locale[$name]);
        }
    }
    say("shop: $country, $currency");
}

/** Cash on delivery, and one price for delivery anywhere: without a rate the check-out refuses every order. */
function offer_payment_and_delivery(): void
{
    update_option('woocommerce_cod_settings', ['enabled' => 'yes'] + (array) get_option('woocommerce_cod_settings', []));
    $everywhere = new WC_Shipping_Zone(0);
    if ($everywhere->get_shipping_methods() === []) {
        $rate = $everywhere->add_shipping_method('flat_rate');
        update_option(
            "woocommerce_flat_rate_{$rate}_settings",
            ['title' => 'Delivery', 'tax_status' => 'taxable', 'cost' => '4.90'],
        );
        WC_Cache_Helper::get_transient_version('shipping', true);
    }
}

/** A new site's front page is a blog with a greeting: the shop takes its place. */
function show_shop_first(): void
{
    foreach (['hello-world' => 'post', 'sample-page' => 'page'] as $name => $type) {
        $default = get_page_by_path($name, OBJECT, $type);
        if ($default !== null) {
            wp_delete_post($default->ID, true);
        }
    }
    update_option('page_on_front', wc_get_page_id('shop'));
    update_option('show_on_front', 'page');
}

/** The platform's key to the REST API: may read. A key of former Secrets goes. */
function admit_platform(int $user, string $key, string $secret): void
{
    global $wpdb;
    $table = "{$wpdb->prefix}woocommerce_api_keys";
    $name = 'Shopyard';
    $hash = wc_api_hash($key);
    $wpdb->query($wpdb->prepare("DELETE FROM $table WHERE description = %s AND consumer_key <> %s", $name, $hash));
    if ($wpdb->get_var($wpdb->prepare("SELECT key_id FROM $table WHERE consumer_key = %s", $hash)) !== null) {
        return;
    }
    $wpdb->insert($table, [
        'user_id' => $user,
        'description' => $name,
        'permissions' => 'read',
        'consumer_key' => $hash,
        'consumer_secret' => $secret,
        'truncated_key' => substr($key, -7),
    ]) || give_up('the REST key could not be stored: ' . $wpdb->last_error);
    say('shop: the platform has its key');
}
