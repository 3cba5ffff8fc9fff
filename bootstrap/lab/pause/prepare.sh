#!/bin/sh
# Compiles the program into the build context.
# Usage: prepare.sh <build context>
set -eu
cd "$1"
CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -trimpath -ldflags "-s -w" -o pause .
