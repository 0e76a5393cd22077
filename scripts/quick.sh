#!/usr/bin/env bash
# Runs the tests that need no engine: those of packages whose tests do not import ONNX Runtime's binding,
# directly or through others. Needs Go and a C compiler, but not npm. Takes less than a minute on two cores.
#   scripts/quick.sh [FLAGS of go test...]
set -euo pipefail
cd "$(dirname "$0")/.."

engine=github.com/yalue/onnxruntime_go
# go list -test lists a program PACKAGE.test for every package with tests, and what it is made of.
packages=$(go list -test -f '{{if eq .Name "main"}}{{.ImportPath}} {{join .Deps " "}} {{end}}' ./... |
	awk -v engine=" $engine " '$1 ~ /\.test$/ && !index($0, engine) { sub(/\.test$/, "", $1); print $1 }')
[[ -n $packages ]] || {
	echo "quick: found no packages" >&2
	exit 1
}
# shellcheck disable=SC2086 # one word a package
exec go test -timeout 5m "$@" $packages
