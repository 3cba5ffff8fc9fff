#!/usr/bin/env bash
# A fresh server → k3s with Argo CD that follows the cluster repository (README.md). May be run again
# at any time: what is as it should be is left alone. Everything after Argo CD is Argo CD's: this applies
# the root Application, and writes the settings by which the control plane commits cert-manager.
#
# Secrets come from files, go to programs by standard input or a private copy, and are never printed.
# Every change goes through `run`, `feed` or `place`, which print instead when it is a dry run.
set -euo pipefail
umask 077

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
state=${SHOPYARD_K3S_DIR:-/var/lib/shopyard/k3s}

domain='' email='' repository='' cluster=main branch=main user=shopyard
reader_token_file='' dns=none dns_token_file='' acme=production
dry_run=''

usage() {
  cat <<'TEXT'
Usage: install.sh --domain <base domain> --email <address> --repository <https URL>
                  --reader-token-file <file> [--user <name>] [--cluster <name>] [--branch <name>]
                  [--acme production|staging]
                  [--dns cloudflare|digitalocean --dns-token-file <file>] [--dry-run]
TEXT
}

problems=()
problem() { problems+=("$1"); }

while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    --dry-run) dry_run=yes; shift; continue ;;
    --domain | --email | --repository | --cluster | --branch | --user | --reader-token-file | --dns | --dns-token-file | --acme)
      if [ $# -lt 2 ]; then echo "$1: a value is missing." >&2; exit 2; fi
      name=${1#--}
      printf -v "${name//-/_}" '%s' "$2"
      shift 2 ;;
    *) echo "${1%%=*}: no such option." >&2; usage >&2; exit 2 ;;
  esac
done

# Values end up in YAML and in addresses: only what is plainly one is taken.
label='[a-z0-9]([a-z0-9-]*[a-z0-9])?'
[[ $domain =~ ^($label\.)+[a-z]{2,}$ ]] || problem '--domain: the base domain of stores, such as shops.example.com.'
[[ $email =~ ^[A-Za-z0-9._%+-]+@($label\.)+[a-z]{2,}$ ]] || problem '--email: an e-mail address, for notices about certificates.'
[[ $repository =~ ^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)+$ ]] ||
  problem '--repository: the https address of the cluster repository, without a credential.'
[[ $cluster =~ ^$label$ ]] || problem '--cluster: lower-case letters, digits and hyphens.'
[[ $branch =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || problem '--branch: the name of a branch.'
[[ $user =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || problem '--user: the name of an account at the forge.'
case $acme in
  production | staging) ;;
  *) problem '--acme: production or staging.' ;;
esac
case $dns in
  none | cloudflare | digitalocean) ;;
  *) problem '--dns: cloudflare or digitalocean (or leave it out: HTTP-01 only).' ;;
esac
absent=()
check_file() { # option, path
  if [ -z "$2" ]; then problem "$1: a file that holds the token."
  elif [ -s "$2" ]; then return
  elif [ -n "$dry_run" ]; then absent+=("# $1 $2 (not there yet)")
  else problem "$1: $2 is not there, or empty."; fi
}
check_file --reader-token-file "$reader_token_file"
if [ "$dns" != none ]; then check_file --dns-token-file "$dns_token_file"; fi
if [ -z "$dry_run" ] && [ "$(id -u)" != 0 ]; then problem 'Run this as root.'; fi
if [ ${#problems[@]} -gt 0 ]; then printf '%s\n' "${problems[@]}" >&2; exit 2; fi
if [ ${#absent[@]} -gt 0 ]; then printf '%s\n' "${absent[@]}"; fi

# One list of versions: the lab's.
version() {
  local found
  found=$(sed -n "s/^  $1: '\(.*\)',\$/\1/p" "$checkout/bootstrap/lab/versions.ts")
  if [ -z "$found" ]; then echo "bootstrap/lab/versions.ts has no version of $1." >&2; exit 1; fi
  printf '%s' "$found"
}
k3s_version=$(version k3s)
argocd_version=$(version argocd)
argocd_sha256=$(version argocdInstallSha256)

say() { printf '\n# %s\n' "$1"; }
run() {
  if [ -n "$dry_run" ]; then printf '%q ' "$@" | sed 's/ $//'; echo; else "$@"; fi
}
# Gives a text to a program's standard input.
feed() { # text, command…
  local text=$1
  shift
  if [ -n "$dry_run" ]; then run "$@" | sed "s/\$/ <<'END'/"; printf '%s\nEND\n' "$text"
  else printf '%s\n' "$text" | "$@"; fi
}
# Writes a file when it is not so already; true when it was written.
place() { # path, text
  if [ -n "$dry_run" ]; then printf "cat >%q <<'END'\n%s\nEND\n" "$1" "$2"; return 0; fi
  if [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; then return 1; fi
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "$2" >"$1.new"
  mv "$1.new" "$1"
}
# Fills a template of this checkout; values were checked above.
render() { # path
  sed -e "s|{{yaml argocdNamespace}}|argocd|" \
    -e "s|{{yaml repositoryUrl}}|$repository|" \
    -e "s|{{yaml targetRevision}}|refs/heads/$branch|" \
    -e "s|{{yaml rootPath}}|clusters/$cluster/root|" "$1"
}
kubectl() { run k3s kubectl "$@"; }
apply() { feed "$1" k3s kubectl apply --server-side --force-conflicts --field-manager=shopyard-k3s -f -; }

private=$state/private
if [ -z "$dry_run" ]; then
  mkdir -p "$private"
  trap 'rm -rf "$private"' EXIT
  # Without the line end that an editor leaves.
  tr -d '\r\n' <"$reader_token_file" >"$private/password"
  if [ "$dns" != none ]; then tr -d '\r\n' <"$dns_token_file" >"$private/token"; fi
fi
# A Secret from files: their paths are arguments, what they hold is not.
apply_secret() { # namespace, name, label or '', --from-file=… or --from-literal=…
  local namespace=$1 name=$2 label=$3
  shift 3
  if [ -n "$dry_run" ]; then
    echo "k3s kubectl -n $namespace create secret generic $name $* --dry-run=client -o yaml |${label:+ k3s kubectl label --local -f - $label -o yaml |} k3s kubectl apply --server-side --force-conflicts --field-manager=shopyard-k3s -f -"
    return
  fi
  k3s kubectl -n "$namespace" create secret generic "$name" "$@" --dry-run=client -o yaml |
    if [ -n "$label" ]; then k3s kubectl label --local -f - "$label" -o yaml; else cat; fi |
    k3s kubectl apply --server-side --force-conflicts --field-manager=shopyard-k3s -f -
}

say 'What this script itself needs'
if [ -n "$dry_run" ] || ! { command -v curl && command -v sha256sum; } >/dev/null; then
  run apt-get update -q
  run apt-get install -y -q --no-install-recommends curl ca-certificates coreutils
fi

say "k3s $k3s_version: Secrets encrypted at rest, and the API server's audit log"
changed=''
root=${SHOPYARD_K3S_ROOT:-} # for tests
run mkdir -p "$root/etc/rancher/k3s/config.yaml.d" "$root/var/lib/rancher/k3s/server/logs" "$root/var/lib/rancher/k3s/server/manifests"
if place "$root/var/lib/rancher/k3s/server/audit-policy.yaml" "$(cat "$here/audit-policy.yaml")"; then changed=yes; fi
if place "$root/etc/rancher/k3s/config.yaml.d/shopyard.yaml" "$(cat "$here/config.yaml")"; then changed=yes; fi
# k3s reads what lies there whenever it changes.
place "$root/var/lib/rancher/k3s/server/manifests/shopyard-traefik.yaml" "$(cat "$here/traefik.yaml")" || true
if [ -n "$dry_run" ] || ! k3s --version 2>/dev/null | grep -qF "$k3s_version"; then
  # Of the release's own tag; it compares the program with the release's checksums.
  run curl -fsSL --retry 3 -o "$state/install-k3s.sh" "https://raw.githubusercontent.com/k3s-io/k3s/${k3s_version/+/%2B}/install.sh"
  run env "INSTALL_K3S_VERSION=$k3s_version" sh "$state/install-k3s.sh" server
elif [ -n "$changed" ]; then
  run systemctl restart k3s
fi
kubectl wait --for=condition=Ready node --all --timeout=5m
if [ -n "$dry_run" ]; then
  run k3s secrets-encrypt status
elif ! k3s secrets-encrypt status | grep -q 'Encryption Status: Enabled'; then
  echo 'k3s does not encrypt Secrets: it was set up without it. See bootstrap/k3s/README.md, “A k3s that was there before”.' >&2
  exit 1
fi

say "Argo CD $argocd_version: its settings before its first start"
before=''
if [ -z "$dry_run" ]; then
  before=$(k3s kubectl -n argocd get configmap argocd-cmd-params-cm argocd-cm -o 'jsonpath={.items[*].data}' --ignore-not-found)
fi
apply $'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: argocd'
apply "$(cat "$here/argocd-settings.yaml")"
apply_secret argocd shopyard-repository argocd.argoproj.io/secret-type=repository \
  --from-literal=type=git "--from-literal=url=$repository" "--from-literal=username=$user" "--from-file=password=$private/password"
if [ -n "$dry_run" ] || ! [ -s "$state/webhook.github.secret" ]; then
  if [ -n "$dry_run" ]; then printf '%s\n' "head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \\n' >$state/webhook.github.secret"
  else head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$state/webhook.github.secret"; fi
fi
apply_secret argocd argocd-secret app.kubernetes.io/part-of=argocd "--from-file=webhook.github.secret=$state/webhook.github.secret"
run curl -fsSL --retry 3 -o "$state/argocd-install.yaml" "https://raw.githubusercontent.com/argoproj/argo-cd/v$argocd_version/manifests/install.yaml"
feed "$argocd_sha256  $state/argocd-install.yaml" sha256sum --check --quiet -
kubectl apply -n argocd --server-side --force-conflicts --field-manager=argocd-manifest -f "$state/argocd-install.yaml"
if [ -n "$before" ] &&
  [ "$before" != "$(k3s kubectl -n argocd get configmap argocd-cmd-params-cm argocd-cm -o 'jsonpath={.items[*].data}')" ]; then
  kubectl -n argocd rollout restart deployment/argocd-server deployment/argocd-repo-server statefulset/argocd-application-controller
fi
kubectl wait --for=condition=Established --timeout=2m crd/applications.argoproj.io crd/appprojects.argoproj.io
for part in deployment/argocd-redis deployment/argocd-repo-server deployment/argocd-server statefulset/argocd-application-controller; do
  kubectl -n argocd rollout status "$part" --timeout=10m
done

if [ "$dns" != none ]; then
  say "The token by which cert-manager answers DNS-01 at $dns"
  apply $'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: cert-manager'
  apply_secret cert-manager dns-token '' "--from-file=token=$private/token"
fi

say 'The settings of this cluster, for the control plane'
settings="# SHOPYARD_CLUSTER_SETTINGS of the control plane; clusters/example.yaml has what else there is.
platform:
  certManager:
    email: '$email'
    acme: $acme"
if [ "$dns" != none ]; then settings+="
    # One certificate for everything under the base domain, Traefik's default.
    dns01: $dns
tlsSecret: ''"; fi
settings+="
ingressAnnotations:
  cert-manager.io/cluster-issuer: letsencrypt"
place "$state/cluster.yaml" "$settings" || true

say 'The one Application that leads to all others'
apply "$(render "$checkout/clusters/base/root.yaml.hbs")"

forge=gitea
case $repository in https://github.com/*) forge=github ;; esac
cat <<TEXT

What is left to do; docs/runbooks/first-server.md of the checkout has all of it in order
  DNS        A (and AAAA) records of $domain, *.$domain and the portal's own name to this machine.
  Firewall   open 80 and 443 to all; 6443 to yourself only; nothing else.
  Images     npm run images -- --push <registry>, with docker or buildah: what stores run. Without them every store
             ends in ErrImagePull. A registry that asks for a password: /etc/rancher/k3s/registries.yaml.
  Control    in pods here: its chart, bootstrap/charts/shopyard. Or a process elsewhere, by the settings below. Its
  plane      start lays out the repository and commits cert-manager.
  Add-ons    more of them, in the cluster's settings: clusters/platform/README.md.
  Backups    of stores: an S3 target in the same file; without, they lie beside the store and are lost with it. Of
             k3s: /var/lib/rancher/k3s/server/{db,token,cred} to another machine; without the token and the
             encryption key its Secrets cannot be read.
  Sign-in    the control plane's first start prints it. Argo CD: k3s kubectl -n argocd port-forward
             svc/argocd-server 8443:80; user admin, password in Secret argocd-initial-admin-secret.
  Watch      k3s kubectl -n argocd get applications; k3s kubectl get clusterissuers,certificates -A

Settings of a control plane elsewhere, as an env file: fill in what is in <>
SHOPYARD_PUBLIC_URL=<https address of the portal>
SHOPYARD_PROXIES=<reverse proxies in front of it, such as 1>
SHOPYARD_ADMIN_EMAIL=$email
SHOPYARD_CLUSTER=<kubeconfig of the account shopyard-observer; first-server.md makes it>
SHOPYARD_CLUSTER_NAME=$cluster
SHOPYARD_CLUSTER_SETTINGS=<a copy of $state/cluster.yaml, which the next run writes anew>
SHOPYARD_BASE_DOMAIN=$domain
SHOPYARD_INGRESS_URL=https://$domain
SHOPYARD_IMAGE_REGISTRY=<the registry that the images were pushed to>
SHOPYARD_FORGE=$forge
SHOPYARD_REPOSITORY_URL=$repository
SHOPYARD_BRANCH=$branch
SHOPYARD_FORGE_TOKEN_FILE=<a file with a token that may push>
SHOPYARD_FORGE_WEBHOOK_SECRET=<made up, 16 characters or more; given to the forge's webhook, too>
# Argo CD's webhook: at argocd-server.argocd.svc for pods, at that Service's ClusterIP for this machine. Elsewhere
# leave both out: Argo CD looks each minute.
# SHOPYARD_ARGOCD_WEBHOOK_URL=http://<ClusterIP>/api/webhook
# SHOPYARD_ARGOCD_WEBHOOK_SECRET=<what is in $state/webhook.github.secret>
TEXT
