#!/usr/bin/env bash
# Checks what a reviewer should not have to: formatting, vet, shell syntax, and that packages import only
# what lies below them (internal/architecture).
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0

unformatted=$(git ls-files -z --cached --others --exclude-standard -- '*.go' | xargs -0 -r gofmt -l)
if [[ -n $unformatted ]]; then
	printf 'lint: gofmt would change:\n%s\n' "$unformatted" >&2
	failed=1
fi

go vet ./... || failed=1
go test -count=1 ./internal/architecture || failed=1

while IFS= read -r -d '' script; do
	bash -n "$script" || failed=1
done < <(git ls-files -z --cached --others --exclude-standard -- '*.sh' .ci/run)

if command -v shellcheck >/dev/null; then
	git ls-files -z -- '*.sh' .ci/run | xargs -0 -r shellcheck || failed=1
fi

exit "$failed"
