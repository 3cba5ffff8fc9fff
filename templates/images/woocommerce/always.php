<?php
/**
 * Plugin Name: Shopyard
 * Description: What the platform does for this shop: scheduled tasks and database upgrades run as Jobs of their own.
 */

// The cron Job runs the queue; a pod need not call itself through its own public address.
add_filter('action_scheduler_allow_async_request_runner', '__return_false');
// The set-up Job brings WooCommerce's tables up to date before it is done.
add_filter('woocommerce_enable_auto_update_db', '__return_false');
