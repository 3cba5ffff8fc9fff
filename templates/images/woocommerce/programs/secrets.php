<?php
/**
 * The secret Job: makes each of the store's Secrets that is not there yet, and never touches one that is. It asks the
 * API server to create; "already exists" is the answer that leaves a Secret alone, so two runs at once are safe and the
 * Job needs no right to read, change or remove anything.
 *
 *   store-admin     username, password, email    the merchant's first login, shown on request by the control plane
 *   store-api       consumer_key, consumer_secret    WooCommerce's REST key
 *   store-internal  database-password, redis-password, backup-password, and WordPress's keys and salts
 *
 * Environment: SHOPYARD_NAMESPACE, SHOPYARD_STORE_ID, SHOPYARD_HOST.
 */
declare(strict_types=1);

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const LETTERS = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

function setting(string $name): string
{
    $value = getenv($name);
    if ($value === false || $value === '') {
        fwrite(STDERR, "secrets: $name is not set\n");
        exit(1);
    }
    return $value;
}

function random_text(int $length): string
{
    $text = '';
    for ($i = 0; $i < $length; $i++) {
        $text .= LETTERS[random_int(0, strlen(LETTERS) - 1)];
    }
    return $text;
}

/**
 * @param array<string, string> $data
 * @return array{int, string} the API server's status and the reason it gives; status 0 = not reached
 */
function create_secret(string $namespace, string $name, array $data): array
{
    $host = setting('KUBERNETES_SERVICE_HOST');
    $port = setting('KUBERNETES_SERVICE_PORT');
    $authority = str_contains($host, ':') ? "[$host]:$port" : "$host:$port";
    $body = json_encode([
        'apiVersion' => 'v1',
        'kind' => 'Secret',
        'type' => 'Opaque',
        'metadata' => [
            'name' => $name,
            'labels' => [
                'app.kubernetes.io/managed-by' => 'shopyard-secrets-job',
                'shopyard.dev/store' => setting('SHOPYARD_STORE_ID'),
            ],
        ],
        'stringData' => $data,
    ], JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);

    $request = curl_init("https://$authority/api/v1/namespaces/$namespace/secrets");
    curl_setopt_array($request, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 5,
        CURLOPT_TIMEOUT => 20,
        CURLOPT_CAINFO => ACCOUNT . '/ca.crt',
        CURLOPT_HTTPHEADER => [
            'Authorization: Bearer ' . trim((string) file_get_contents(ACCOUNT . '/token')),
            'Content-Type: application/json',
        ],
    ]);
    $answer = curl_exec($request);
    if ($answer === false) {
        return [0, curl_error($request)];
    }
    $status = (int) curl_getinfo($request, CURLINFO_RESPONSE_CODE);
    // A created Secret comes back whole: only an error's own words are kept.
    $reason = $status < 300 ? '' : (string) (json_decode($answer, true)['message'] ?? '');
    return [$status, $reason];
}

/** @param array<string, string> $data */
function make_secret(string $namespace, string $name, array $data): void
{
    for ($deadline = time() + 60; ; sleep(1)) {
        [$status, $reason] = create_secret($namespace, $name, $data);
        if ($status === 201) {
            echo "secrets: $name made\n";
            return;
        }
        if ($status === 409) {
            echo "secrets: $name is there, left alone\n";
            return;
        }
        $passing = $status === 0 || $status === 429 || $status >= 500;
        if (!$passing || time() >= $deadline) {
            fwrite(STDERR, "secrets: $name could not be made: " . ($status ?: 'no answer') . " $reason\n");
            exit(1);
        }
    }
}

$namespace = setting('SHOPYARD_NAMESPACE');

$internal = [];
foreach (['database', 'redis', 'backup'] as $name) {
    $internal["$name-password"] = random_text(32);
}
foreach (['auth', 'secure-auth', 'logged-in', 'nonce'] as $name) {
    $internal["$name-key"] = random_text(64);
    $internal["$name-salt"] = random_text(64);
}
make_secret($namespace, 'store-internal', $internal);
make_secret($namespace, 'store-admin', [
    'username' => 'shopkeeper',
    'password' => random_text(24),
    'email' => 'shopkeeper@' . setting('SHOPYARD_HOST'),
]);
make_secret($namespace, 'store-api', [
    'consumer_key' => 'ck_' . bin2hex(random_bytes(20)),
    'consumer_secret' => 'cs_' . bin2hex(random_bytes(20)),
]);
