#!/usr/bin/env bash
# Runs the pinned golangci-lint with the given arguments: scripts/golangci-lint.sh run ./...
# The first call builds it into .cache/bin, out of the Go module proxy; that takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v2.15.0
program=.cache/bin/golangci-lint-$version

if [[ ! -x $program ]]; then
	echo "lint: building golangci-lint $version into .cache/bin" >&2
	mkdir -p .cache/bin
	new=$(mktemp -d .cache/bin/new.XXXXXX)
	trap 'rm -rf "$new"' EXIT
	GOBIN=$PWD/$new GOFLAGS=-trimpath go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
	mv "$new/golangci-lint" "$program" # it gets its name only when it is complete
	rm -rf "$new"
	trap - EXIT
fi
exec "$program" "$@"
