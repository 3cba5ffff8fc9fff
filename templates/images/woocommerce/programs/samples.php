<?php
/** The products that a new shop starts with, each known by its SKU and shown in samples/<SKU>.png. */
declare(strict_types=1);

const SAMPLES = [
    ['sample-mug', 'Stoneware mug', '14.00', 'Thrown by hand, glazed in blue. Holds 300 ml and fits a dishwasher.'],
    ['sample-tote', 'Linen tote', '22.00', 'Carries a week of groceries and folds into a pocket.'],
    ['sample-candle', 'Beeswax candle', '9.50', 'Burns for twenty hours and smells of summer.'],
    ['sample-notebook', 'Notebook', '12.00', 'A5, 160 dotted pages, opens flat.'],
];

/** Adds each sample that is not there. */
function add_samples(): void
{
    require_once ABSPATH . 'wp-admin/includes/image.php';
    $added = 0;
    foreach (SAMPLES as [$sku, $name, $price, $text]) {
        if (wc_get_product_id_by_sku($sku) > 0) {
            continue;
        }
        $product = new WC_Product_Simple();
        $product->set_name($name);
        $product->set_sku($sku);
        $product->set_regular_price($price);
        $product->set_short_description($text);
        $product->set_image_id(add_picture("$sku.png", $name));
        $product->save();
        $added++;
    }
    say("shop: $added sample products");
}

/** Puts a picture into the media library; returns its number there. */
function add_picture(string $file, string $title): int
{
    $upload = wp_upload_bits($file, null, file_get_contents(__DIR__ . "/samples/$file"));
    if ($upload['error'] !== false) {
        give_up("the picture $file cannot be stored: {$upload['error']}");
    }
    $picture = wp_insert_attachment(
        ['post_title' => $title, 'post_mime_type' => 'image/png', 'post_status' => 'inherit'],
        $upload['file'],
    );
    wp_update_attachment_metadata($picture, wp_generate_attachment_metadata($picture, $upload['file']));
    update_post_meta($picture, '_wp_attachment_image_alt', $title);
    return $picture;
}
