#!/bin/sh
# Fetches what the image is made of: Node's own binary and npm, as the npm packages that carry them.
# Usage: prepare.sh <build context>; leaves node.tgz and npm.tgz there.
set -eu
case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) echo "no Node for $(uname -m)" >&2; exit 1 ;;
esac
fetch() {
  mv "$1/$(cd "$1" && npm pack --silent "$2")" "$1/$3"
}
fetch "$1" "node-linux-$arch@24.21.0" node.tgz
fetch "$1" npm@11.19.1 npm.tgz
