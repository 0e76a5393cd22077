# shellcheck shell=bash
# Before the commands of a page. $PORT is that of its server.
set -eE -o pipefail
trap 'echo "failed at $at" >&2' ERR
# shellcheck disable=SC2154 # the trap itself sets code
trap 'code=$?; kill $server $(jobs -p) 2>/dev/null || true; wait || true; exit $code' EXIT
at() { at=$1; echo "== $at, after $SECONDS s"; }

# Each block of a page begins without the background jobs of the one before, but with its server.
end_jobs() {
	for job in $(jobs -p); do
		if [ "$job" != "$server" ]; then
			kill "$job" 2>/dev/null || true
			wait "$job" || true
		fi
	done
}

# A server of the page runs in the background, at its own address, until the next one.
declip() {
	if [ "$1" = serve ]; then
		shift
		set -- serve --addr "127.0.0.1:$PORT" --log off "$@"
	fi
	if [ $BASHPID != $$ ]; then # a job: the signal to end it must reach the program
		exec declip "$@"
	fi
	if [ "$1" != serve ]; then
		command declip "$@"
		return
	fi
	if [ -n "$server" ]; then
		kill "$server"
		wait "$server" || true
	fi
	command declip "$@" &
	server=$!
	until command declip serve --check --addr "127.0.0.1:$PORT" 2>/dev/null; do
		kill -0 "$server"
		sleep 0.1
	done
}

# The server of a job in the background may not be there yet. The answer says which job it is about.
curl() {
	command curl --fail --silent --show-error --retry 60 --retry-connrefused --retry-delay 1 "$@" | tee answer
}

http_job() { sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' answer | head -n 1; }
first_job() { command declip jobs list --json | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' | head -n 1; }

# Prints what make would do.
make() { command make --dry-run --directory "$REPOSITORY" "$@" > /dev/null; }
