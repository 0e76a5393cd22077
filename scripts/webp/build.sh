#!/bin/sh
# Builds internal/picture/encode/webp.wasm.gz: libwebp's encoder as WebAssembly. The result is the
# same on every machine with these versions, and its SHA-256 is in
# internal/picture/encode/encode_test.go.
#
# Needs Debian 12 with deb-src in the list of sources, and
#   apt-get install clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32 dpkg-dev
set -eu
version=1.2.4-0.2+deb12u1
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../internal/picture/encode
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

if [ $# -gt 0 ]; then # a directory with the sources, patches applied
	cp -r "$1" libwebp
else
	apt-get source --download-only "libwebp=$version"
	dpkg-source -x "libwebp_$version.dsc" libwebp
fi
cp "$here/encode.c" .
# Without threads and without vector instructions. Code for decoding that utilities share with the
# encoder is left out by the linker.
clang-14 --target=wasm32-wasi -O3 -ffp-contract=off -ffunction-sections -fdata-sections -DNDEBUG -w \
	-Ilibwebp -mexec-model=reactor -Wl,--gc-sections -Wl,--export=malloc -Wl,--strip-all -Wl,-z,stack-size=1048576 \
	-o webp.wasm encode.c libwebp/src/enc/*.c libwebp/src/dsp/*.c libwebp/src/utils/*.c libwebp/sharpyuv/*.c -lm
gzip -9 -n <webp.wasm >"$out/webp.wasm.gz"
cp libwebp/COPYING "$out/licences/LICENSE.libwebp"
cp libwebp/PATENTS "$out/licences/PATENTS.libwebp"
ls -l webp.wasm "$out/webp.wasm.gz"
sha256sum "$out/webp.wasm.gz"
