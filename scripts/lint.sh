#!/usr/bin/env bash
# Checks what a reviewer should not have to: formatting, vet, golangci-lint, prose (tools/lint), which
# package may import which, the changelog, shell scripts, and known vulnerabilities. Runs all checks,
# then fails if one did.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=()

# check NAME COMMAND...: runs a check and remembers its name if it fails.
check() {
	"${@:2}" || failed+=("$1")
}

formatted() {
	local unformatted
	unformatted=$(git ls-files -z --cached --others --exclude-standard -- '*.go' | existing | xargs -0 -r gofmt -l)
	[[ -z $unformatted ]] || {
		printf 'lint: gofmt would change:\n%s\n' "$unformatted" >&2
		return 1
	}
}

# existing passes on those of the NUL-terminated file names whose files exist.
existing() {
	local file
	while IFS= read -r -d '' file; do
		[[ ! -f $file ]] || printf '%s\0' "$file"
	done
}

shell_scripts() {
	git ls-files -z --cached --others --exclude-standard -- '*.sh' .ci/run | existing
}

shell_syntax() {
	local script status=0
	while IFS= read -r -d '' script; do
		bash -n "$script" || status=1
	done < <(shell_scripts)
	return "$status"
}

check gofmt formatted
check "go vet" go vet ./...
check golangci-lint scripts/golangci-lint.sh run ./...
check "tools/lint" go run ./tools/lint
check architecture go test -count=1 ./internal/architecture
check changelog go run ./tools/changelog -check
check govulncheck scripts/govulncheck.sh ./...
check "shell syntax" shell_syntax
if command -v shellcheck >/dev/null; then
	check shellcheck xargs -0 -r shellcheck < <(shell_scripts)
fi

if ((${#failed[@]} > 0)); then
	printf 'lint: failed: %s\n' "${failed[@]}" >&2
	exit 1
fi
