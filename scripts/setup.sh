#!/usr/bin/env bash
# Sets up what building and testing need: the ONNX Runtime library, out of the npm package pinned in
# scripts/onnxruntime, into .cache/onnxruntime; what the tests of the web page and of the API's
# description use, pinned in scripts/webtools, into .cache/webtools; and the Go modules. Does nothing
# that is already done.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
	printf 'setup: %s\n' "$@" >&2
	exit 1
}

# need COMMAND WHAT: stops unless the command is there.
need() {
	command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

# platform prints the folder inside the npm package that holds this machine's library.
platform() {
	local system arch
	case "$(uname -s)" in
	Linux) system=linux ;;
	Darwin) system=darwin ;;
	MINGW* | MSYS* | CYGWIN*) system=win32 ;;
	*) system=unknown ;;
	esac
	case "$(uname -m)" in
	x86_64 | amd64) arch=x64 ;;
	aarch64 | arm64) arch=arm64 ;;
	*) arch=unknown ;;
	esac
	echo "$system/$arch"
}

# version FILE prints the version that an npm package.json states for itself or for onnxruntime-node.
version() {
	sed -nE 's/^ *"(version|onnxruntime-node)": *"([0-9][^"]*)".*/\2/p' "$1" | head -n 1
}

# has_library FOLDER: the package in it is the pinned one and holds this machine's library.
has_library() {
	local package="$1/node_modules/onnxruntime-node"
	[[ -f $package/package.json && $(version "$package/package.json") == "$wanted" ]] || return 1
	compgen -G "$package/bin/napi-v*/$here/*onnxruntime*" >/dev/null
}

# keep_only_here FOLDER: removes the other platforms' libraries, some 250 MB.
keep_only_here() {
	local dir
	for dir in "$1"/node_modules/onnxruntime-node/bin/napi-v*/*/*/; do
		[[ $dir == */"$here"/ ]] || rm -rf "$dir"
	done
}

install_library() {
	need npm "install Node.js with npm (https://nodejs.org, or your system's package nodejs/npm), or
  name a library that you have: DECLIP_ORT_LIB=/path/to/libonnxruntime.so"
	local new
	mkdir -p .cache
	new=$(mktemp -d .cache/onnxruntime.XXXXXX)
	# The folder gets its final name only when it is whole.
	trap 'rm -rf "$new"' EXIT
	chmod 755 "$new" # mktemp makes it private
	cp scripts/onnxruntime/package.json scripts/onnxruntime/package-lock.json "$new"
	echo "setup: installing ONNX Runtime $wanted into $cache"
	# --ignore-scripts: the package's own script would download CUDA libraries.
	(cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
		fail "npm could not install onnxruntime-node $wanted; is the registry within reach?"
	has_library "$new" ||
		fail "onnxruntime-node $wanted holds no library for $here;" \
			"get one elsewhere (see README) and set DECLIP_ORT_LIB to it"
	keep_only_here "$new"
	rm -rf "$cache"
	mv "$new" "$cache"
	trap - EXIT
}

# install_webtools fetches the npm packages of scripts/webtools. Only tests need them.
install_webtools() {
	command -v npm >/dev/null || {
		echo "setup: npm is missing: the tests that need scripts/webtools will fail"
		return
	}
	local new
	mkdir -p .cache
	new=$(mktemp -d .cache/webtools.XXXXXX)
	trap 'rm -rf "$new"' EXIT
	cp scripts/webtools/package.json scripts/webtools/package-lock.json "$new"
	echo "setup: installing the packages of scripts/webtools into .cache/webtools"
	(cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
		fail "npm could not install the packages of scripts/webtools; is the registry within reach?"
	rm -rf .cache/webtools
	mv "$new" .cache/webtools
	trap - EXIT
}

cache=.cache/onnxruntime
wanted=$(version scripts/onnxruntime/package.json)
here=$(platform)

need go "install Go 1.26 or later, https://go.dev/dl"
# The engine loads the library through cgo, which needs a C compiler.
[[ $(go env CGO_ENABLED) == 1 ]] && command -v "$(go env CC | cut -d' ' -f1)" >/dev/null ||
	fail "a C compiler is missing: install gcc (Debian, Ubuntu: apt install gcc; macOS: xcode-select --install)"

if [[ -n ${DECLIP_ORT_LIB:-} ]]; then
	echo "setup: using the library that DECLIP_ORT_LIB names: $DECLIP_ORT_LIB"
elif ! has_library "$cache"; then
	install_library
else
	keep_only_here "$cache"
fi

cmp -s scripts/webtools/package-lock.json .cache/webtools/package-lock.json || install_webtools

# Lists what the packages and their tests import, which downloads missing modules.
go list -deps -test ./... >/dev/null || fail "the Go modules could not be fetched, or a package is missing: see above"
# Those of the generated client that a test builds: of the generator, and what the generated code imports.
go -C internal/serve/testdata/clients/go list -deps tool github.com/oapi-codegen/runtime >/dev/null || fail "the modules of oapi-codegen could not be fetched"
