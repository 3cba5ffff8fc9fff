<?php
/**
 * The set-up Job: brings a store from whatever state it is in to what its generation asks for. Each step is a PHP
 * process of its own, since WordPress is loaded differently before and after it is installed and its plugins are
 * active. Every step looks before it acts, so that running it again changes nothing; a step that fails stops the Job,
 * which Kubernetes tries again.
 *
 * What a merchant can change in the shop's own admin (currency, payments, shipping, products, front page) is set once,
 * when the shop is new, and is theirs from then on.
 */
declare(strict_types=1);

foreach (['core', 'extensions', 'shop', 'site'] as $step) {
    $started = microtime(true);
    passthru(escapeshellarg(PHP_BINARY) . ' ' . escapeshellarg(__DIR__ . "/steps/$step.php"), $code);
    if ($code !== 0) {
        fwrite(STDERR, "set-up: step $step failed with code $code\n");
        exit(1);
    }
    printf("set-up: step %s took %.1f s\n", $step, microtime(true) - $started);
}
echo "set-up: done\n";
