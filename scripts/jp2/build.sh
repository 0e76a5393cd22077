#!/bin/sh
# Builds internal/picture/jp2/jp2.wasm.gz: OpenJPEG's decoder as WebAssembly. The result is the same
# on every machine with these versions, and its SHA-256 is in internal/picture/jp2/jp2_test.go.
#
# Needs Debian 12 with deb-src in the list of sources, and
#   apt-get install clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32 dpkg-dev
set -eu
version=2.5.0-2+deb12u3
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../internal/picture/jp2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

if [ $# -gt 0 ]; then # a directory with the sources, patches applied
	cp -r "$1" openjpeg
else
	apt-get source --download-only "openjpeg2=$version"
	dpkg-source -x "openjpeg2_$version.dsc" openjpeg
fi
sources=openjpeg/src/lib/openjp2
cat >$sources/opj_config.h <<'H'
#define OPJ_HAVE_STDINT_H 1
#define OPJ_VERSION_MAJOR 2
#define OPJ_VERSION_MINOR 5
#define OPJ_VERSION_BUILD 0
H
cat >$sources/opj_config_private.h <<'H'
#define OPJ_HAVE_INTTYPES_H 1
#define OPJ_PACKAGE_VERSION "2.5.0"
#define OPJ_HAVE_FSEEKO 1
#define OPJ_HAVE_POSIX_MEMALIGN 1
H
files=
for f in thread bio cio dwt event ht_dec image invert j2k jp2 mct mqc openjpeg opj_clock pi t1 t2 tcd tgt function_list opj_malloc sparse_array; do
	files="$files $sources/$f.c"
done
cp "$here/decode.c" .
# clock() and getrusage() exist in WASI only as emulations; the decoder does not use them.
# shellcheck disable=SC2086 # a list
clang-14 --target=wasm32-wasi -O3 -ffp-contract=off -DNDEBUG -DOPJ_STATIC -D_WASI_EMULATED_PROCESS_CLOCKS -w \
	-I$sources -mexec-model=reactor -Wl,--export=malloc -Wl,--strip-all -Wl,-z,stack-size=1048576 \
	-o jp2.wasm decode.c $files -lwasi-emulated-process-clocks -lm
gzip -9 -n <jp2.wasm >"$out/jp2.wasm.gz"
cp openjpeg/LICENSE "$out/licences/LICENSE.openjpeg"
ls -l jp2.wasm "$out/jp2.wasm.gz"
sha256sum "$out/jp2.wasm.gz"
