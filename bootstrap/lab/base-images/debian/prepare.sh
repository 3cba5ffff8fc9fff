#!/bin/sh
# Makes the root file system that the lab's other base images grow on: Debian 13 with apt, no documentation.
# Usage: prepare.sh <build context>; leaves rootfs.tar there.
set -eu
mmdebstrap --quiet --variant=apt --include=ca-certificates,passwd \
  --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/log/*.log "$1"/var/log/apt' \
  trixie "$1/rootfs.tar"
