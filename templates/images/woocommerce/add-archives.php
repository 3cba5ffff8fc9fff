<?php
/**
 * Build time only: unpacks the archives that are there into WordPress, each checked against its SHA-256.
 * Usage: add-archives.php <archives> <wordpress>
 */
declare(strict_types=1);

[, $archives, $wordpress] = $argv;

$known = [
    'woocommerce.zip' => ['WOOCOMMERCE_ZIP_SHA256', 'wp-content/plugins'],
    'theme.zip' => ['WOOCOMMERCE_THEME_ZIP_SHA256', 'wp-content/themes'],
    'wp-cli.phar' => ['WP_CLI_PHAR_SHA256', null],
];

foreach ($known as $name => [$argument, $folder]) {
    $file = "$archives/$name";
    if (!is_file($file)) {
        echo "$name: not given, left out\n";
        continue;
    }
    $found = hash_file('sha256', $file);
    $expected = strtolower((string) getenv($argument));
    if ($expected === '' && getenv('ALLOW_UNCHECKED_ARCHIVES') !== 'yes') {
        fwrite(STDERR, "$name is there but $argument is not: give its checksum ($found, if you trust this file)\n");
        exit(1);
    }
    if ($expected !== '' && $expected !== $found) {
        fwrite(STDERR, "$name: expected SHA-256 $expected, found $found\n");
        exit(1);
    }
    if ($folder === null) {
        copy($file, '/usr/local/bin/wp') && chmod('/usr/local/bin/wp', 0755) || exit(1);
    } else {
        $zip = new ZipArchive();
        if ($zip->open($file) !== true || !$zip->extractTo("$wordpress/$folder")) {
            fwrite(STDERR, "$name: not a readable zip archive\n");
            exit(1);
        }
    }
    echo "$name: added, SHA-256 $found\n";
}
