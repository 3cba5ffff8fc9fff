<?php
/**
 * Build time only: puts what upstream publishes as archives into WordPress, as archives.json pins it. An archive that
 * was given is taken as it is, or checked against <SETTING>_SHA256 if that is set. One that was not is downloaded, never
 * without a checksum: <SETTING>_SHA256, or the one in archives.json.
 *
 * FETCH_ARCHIVES: yes = a missing archive ends the build; auto = it is left out, with a line that says so; no = nothing
 * is downloaded. Usage: add-archives.php <archives> <wordpress>
 */
declare(strict_types=1);

[, $archives, $wordpress] = $argv;
$fetch = getenv('FETCH_ARCHIVES') ?: 'auto';

function stop(string $reason): never
{
    fwrite(STDERR, "$reason\n");
    exit(1);
}

/** The reason why it cannot be had, or null when it is there. */
function download(string $name, array $pin, ?string $sha256, string $file): ?string
{
    if ($pin['url'] === null) {
        return 'not given';
    }
    if ($sha256 === null) {
        return "not given, and no checksum of version {$pin['version']} is known: give {$pin['setting']}_SHA256";
    }
    $partial = "$file.partial";
    if (!@copy($pin['url'], $partial, stream_context_create(['http' => ['timeout' => 60]]))) {
        return "not given, and {$pin['url']} cannot be reached";
    }
    rename($partial, $file);
    return null;
}

foreach (json_decode(file_get_contents(__DIR__ . '/archives.json'), true, flags: JSON_THROW_ON_ERROR) as $name => $pin) {
    $file = "$archives/$name";
    $expected = strtolower((string) getenv("{$pin['setting']}_SHA256")) ?: null;
    if (!is_file($file)) {
        $expected ??= $pin['sha256'];
        $missing = $fetch === 'no' ? 'not given' : download($name, $pin, $expected, $file);
        if ($missing !== null && $fetch === 'yes' && $pin['url'] !== null) {
            stop("$name: $missing");
        }
        if ($missing !== null) {
            echo "$name: left out ($missing)\n";
            continue;
        }
    }
    $found = hash_file('sha256', $file);
    if ($expected !== null && $expected !== $found) {
        stop("$name: expected SHA-256 $expected, found $found");
    }
    if ($pin['into'] === null) {
        copy($file, '/usr/local/bin/wp') && chmod('/usr/local/bin/wp', 0755) || stop("$name: cannot be copied");
    } else {
        $zip = new ZipArchive();
        if ($zip->open($file) !== true || !$zip->extractTo("$wordpress/{$pin['into']}")) {
            stop("$name: not a readable zip archive");
        }
    }
    echo "$name: added, SHA-256 $found\n";
}

// WordPress looks for the object cache here; wp-config.php decides per store whether it is used.
$dropIn = "$wordpress/wp-content/plugins/redis-cache/includes/object-cache.php";
if (is_file($dropIn)) {
    copy($dropIn, "$wordpress/wp-content/object-cache.php") || stop('the object cache cannot be put into place');
}
