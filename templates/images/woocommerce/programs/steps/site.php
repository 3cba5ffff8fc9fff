<?php
/**
 * The site's address, which may have changed since the last generation, and the rules by which addresses are read.
 */
declare(strict_types=1);

require __DIR__ . '/../wordpress.php';

pretend_request();
require '/usr/src/wordpress/wp-load.php';
die_with_a_code();

// wp-config.php overrides the stored address; the stored one tells what content still points at.
$stored = (string) $wpdb->get_var("SELECT option_value FROM $wpdb->options WHERE option_name = 'home'");
$url = untrailingslashit(WP_HOME);
$former = untrailingslashit($stored);
if ($former !== $url) {
    update_option('siteurl', $url);
    update_option('home', $url);
    // Options are compared with what the constants say, so the rows are written directly.
    $wpdb->query($wpdb->prepare(
        "UPDATE $wpdb->options SET option_value = %s WHERE option_name IN ('siteurl', 'home')",
        $url,
    ));
    $moved = 0;
    if ($former !== '') {
        foreach (['post_content', 'post_excerpt'] as $column) {
            $moved += (int) $wpdb->query($wpdb->prepare(
                "UPDATE $wpdb->posts SET $column = REPLACE($column, %s, %s) WHERE $column LIKE %s",
                $former,
                $url,
                '%' . $wpdb->esc_like($former) . '%',
            ));
        }
    }
    wp_cache_flush();
    say("site: moved from $former to $url, $moved texts changed");
}

// Rules depend on the plugins of this image. Never hard: there is no .htaccess to write.
flush_rewrite_rules(false);
say("site: $url");
