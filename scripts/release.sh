#!/usr/bin/env bash
# Makes the release archives, each with the program, ONNX Runtime and the licences:
#   scripts/release.sh [-o DIR] [OS/ARCH...]
# DIR is dist by default. Without OS/ARCH it makes linux/amd64, linux/arm64 and darwin/arm64, and skips
# those that this machine has no C compiler for; a platform that is named must succeed.
#
# The program needs cgo. The compiler for another platform is CC_OS_ARCH, such as
# CC_linux_arm64=aarch64-linux-gnu-gcc; for linux/arm64 that one is the default (Debian:
# apt install gcc-aarch64-linux-gnu). darwin/arm64 is made on a Mac.
#
# VERSION is the version (default: git describe). The same commit, Go and C compiler give the same bytes:
# paths are trimmed, and every file has the commit's time (or SOURCE_DATE_EPOCH).
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")/.."

fail() {
	printf 'release: %s\n' "$@" >&2
	exit 1
}

# compiler OS ARCH prints the C compiler for a platform, or fails if there is none.
compiler() {
	local variable=CC_$1_$2
	local cc=${!variable:-}
	if [[ -z $cc && $1/$2 == "$host" ]]; then
		cc=$(go env CC)
	elif [[ -z $cc && $1/$2 == linux/arm64 ]]; then
		cc=aarch64-linux-gnu-gcc
	fi
	[[ -n $cc ]] && command -v "${cc%% *}" >/dev/null && echo "$cc"
}

# library OS ARCH prints ONNX Runtime's library for a platform out of the pinned npm package.
library() {
	local arch=$2 folder file
	[[ $arch != amd64 ]] || arch=x64
	for folder in .cache/onnxruntime .cache/onnxruntime-all; do
		if [[ $folder == *-all ]] && ! cmp -s scripts/onnxruntime/package-lock.json "$folder/package-lock.json"; then
			fetch_libraries "$folder" >&2
		fi
		[[ $(package_version "$folder") == "$wanted" ]] || continue
		# One file by its short name: libonnxruntime.so.1 or libonnxruntime.1.dylib.
		for file in "$folder"/node_modules/onnxruntime-node/bin/napi-v*/"$1/$arch"/libonnxruntime.{so.1,1.dylib}; do
			if [[ -f $file ]]; then
				echo "$file"
				return
			fi
		done
	done
	fail "onnxruntime-node $wanted holds no library for $1/$2"
}

# package_version FOLDER prints the version of the onnxruntime-node installed in it, if one is.
package_version() {
	local file=$1/node_modules/onnxruntime-node/package.json
	[[ ! -f $file ]] || sed -nE 's/^ *"version": *"([^"]*)".*/\1/p' "$file"
}

# fetch_libraries FOLDER installs the package with the libraries of all platforms, about 200 MB.
fetch_libraries() {
	command -v npm >/dev/null || fail "npm is missing: it fetches ONNX Runtime for other platforms"
	local new
	mkdir -p .cache
	new=$(mktemp -d .cache/onnxruntime-all.XXXXXX)
	cp scripts/onnxruntime/package.json scripts/onnxruntime/package-lock.json "$new"
	# --ignore-scripts: the package's own script would download CUDA libraries.
	(cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || {
		rm -rf "$new"
		fail "npm could not install onnxruntime-node $wanted; is the registry reachable?"
	}
	rm -rf "$1"
	mv "$new" "$1"
}

# licences FOLDER copies the licences of everything that is linked into the program.
licences() {
	local module folder file
	mkdir -p "$1"
	cp "$(go env GOROOT)/LICENSE" "$1/go"
	cp scripts/onnxruntime/LICENSE "$1/onnxruntime"
	while IFS=$'\t' read -r module folder; do
		for file in "$folder"/{LICENSE,LICENCE,COPYING}*; do
			[[ ! -f $file ]] || cp "$file" "$1/${module//\//_}.${file##*/}"
		done
		compgen -G "$1/${module//\//_}.*" >/dev/null || fail "$module has no licence in $folder"
	done < <(go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}{{"\t"}}{{.Dir}}{{end}}{{end}}' ./cmd/declip | sort -u)
	for file in internal/picture/*/licences/*; do # of what runs as WebAssembly
		cp "$file" "$1/${file##*/}"
	done
	chmod -R u=rwX,go=rX "$1"
}

# make_archive OS ARCH CC builds one platform and packs it.
make_archive() {
	local name=declip-$version-$1-$2 lib
	local stage=$work/$name
	lib=$(library "$1" "$2") || exit 1
	mkdir -p "$stage"
	# -buildvcs=false: what go build records depends on the kind of checkout, so version and commit are given.
	CGO_ENABLED=1 GOOS=$1 GOARCH=$2 CC=$3 go build -trimpath -buildvcs=false \
		-ldflags "-s -w -buildid= -X $cli.Version=$version -X $cli.Commit=$commit" \
		-o "$stage/declip" ./cmd/declip || fail "$1/$2 could not be built"
	cp -L "$lib" "$stage/" # the program looks in its own directory first
	cp README.md CHANGELOG.md LICENSE "$stage/"
	cp -R "$work/licences" "$stage/licences"
	chmod 755 "$stage/declip"
	go run ./tools/release -time "$epoch" "$stage" "$work/$name.tar.gz" >>"$work/SHA256SUMS"
	mv "$work/$name.tar.gz" "$out/"
	echo "release: made $out/$name.tar.gz"
}

out=dist
if [[ ${1:-} == -o ]]; then
	out=${2:?usage: scripts/release.sh [-o DIR] [OS/ARCH...]}
	[[ $out == /* ]] || out=$caller/$out
	shift 2
fi
host=$(go env GOHOSTOS)/$(go env GOHOSTARCH)
cli=github.com/declip/declip/internal/cli
commit=$(git rev-parse --short=12 HEAD)
version=${VERSION:-$(git describe --tags --always --dirty)}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
wanted=$(sed -nE 's/.*"onnxruntime-node": *"([^"]*)".*/\1/p' scripts/onnxruntime/package.json)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
licences "$work/licences"

platforms=("$@")
if (($# == 0)); then
	platforms=(linux/amd64 linux/arm64 darwin/arm64)
fi
made=0
for platform in "${platforms[@]}"; do
	os=${platform%%/*} arch=${platform#*/}
	if ! cc=$(compiler "$os" "$arch"); then
		reason="$platform: no C compiler for it; set CC_${os}_$arch"
		(($# == 0)) || fail "$reason"
		echo "release: skipped $reason" >&2
		continue
	fi
	make_archive "$os" "$arch" "$cc"
	made=$((made + 1))
done
((made > 0)) || fail "nothing could be built"
mv "$work/SHA256SUMS" "$out/"
