#!/usr/bin/env bash
# Looks for known vulnerabilities in what the program calls, with the pinned govulncheck. The first call
# builds it into .cache/bin. Where the module proxy or the database of vulnerabilities (vuln.go.dev, or
# GOVULNDB) cannot be reached, it says so and succeeds.
#   scripts/govulncheck.sh [PACKAGES...]
set -euo pipefail
cd "$(dirname "$0")/.."

version=v1.9.0
program=.cache/bin/govulncheck-$version

if [[ ! -x $program ]]; then
	echo "lint: building govulncheck $version into .cache/bin" >&2
	mkdir -p .cache/bin
	new=$(mktemp -d .cache/bin/new.XXXXXX)
	trap 'rm -rf "$new"' EXIT
	if ! message=$(GOBIN=$PWD/$new GOFLAGS=-trimpath go install "golang.org/x/vuln/cmd/govulncheck@$version" 2>&1); then
		printf 'lint: no check for known vulnerabilities, govulncheck cannot be built:\n%s\n' "$message" >&2
		exit 0
	fi
	mv "$new/govulncheck" "$program" # it gets its name only when it is complete
	rm -rf "$new"
	trap - EXIT
fi

database=${GOVULNDB:-https://vuln.go.dev}
status=0
report=$("$program" -db "$database" "${@:-./...}" 2>&1) || status=$?
case $status in
0) ;;
3) # found some
	printf '%s\n' "$report" >&2
	exit 1
	;;
*)
	# The first request is for the database's index; what fails later is a fault of the check itself.
	if grep -q "fetching vulnerabilities" <<<"$report"; then
		printf 'lint: no check for known vulnerabilities, %s cannot be reached: %s\n' "$database" "$(tail -n 1 <<<"$report")" >&2
		exit 0
	fi
	printf '%s\n' "$report" >&2
	exit "$status"
	;;
esac
