#!/bin/sh
# Builds internal/picture/jxl/jxl.wasm.gz: libjxl's decoder as WebAssembly. The result is the same on
# every machine with these versions, and its SHA-256 is in internal/picture/jxl/jxl_test.go.
#
# Needs Debian 12 with deb-src in the list of sources, and
#   apt-get install clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32 libc++-14-dev-wasm32 \
#     libc++abi-14-dev-wasm32 dpkg-dev curl
# It takes three minutes of processor time.
set -eu
jxl=0.7.0-10+deb12u1
highway=1.0.3-3+deb12u1
brotli=1.0.9
brotli_sum=f9e8d81d0405ba66d181529af42a3354f838c939095ff99930da6aa9cdf6fe46
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../internal/picture/jxl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

if [ $# -gt 0 ]; then # a directory with the sources of all three, patches applied
	cp -rL "$1"/jpeg-xl-*/ jpeg-xl
	cp -rL "$1"/highway-*/ highway
	cp -rL "$1"/brotli-*/ brotli
else
	apt-get source --download-only "jpeg-xl=$jxl" "highway=$highway"
	dpkg-source -x "jpeg-xl_$jxl.dsc" jpeg-xl
	dpkg-source -x "highway_$highway.dsc" highway
	curl -fsSO "http://deb.debian.org/debian/pool/main/b/brotli/brotli_$brotli.orig.tar.gz"
	echo "$brotli_sum  brotli_$brotli.orig.tar.gz" | sha256sum -c -
	tar xf "brotli_$brotli.orig.tar.gz"
	mv "brotli-$brotli" brotli
fi

# Headers that CMake writes, and std::mutex, which a C++ library without threads lacks.
mkdir -p gen/jxl obj
sed -e 's/@JPEGXL_MAJOR_VERSION@/0/;s/@JPEGXL_MINOR_VERSION@/7/;s/@JPEGXL_PATCH_VERSION@/0/' \
	jpeg-xl/lib/jxl/version.h.in >gen/jxl/version.h
printf '#pragma once\n#define JXL_EXPORT\n#define JXL_DEPRECATED\n#define JXL_NO_EXPORT\n' >gen/jxl/jxl_export.h
cat >gen/mutex.h <<'H'
#include <mutex>
namespace std {
class mutex { public: void lock() {} void unlock() {} bool try_lock() { return true; } };
}
H
cp "$here/decode.cc" .

flags="--target=wasm32-wasi -O2 -ffp-contract=off -DNDEBUG -D_WASI_EMULATED_PROCESS_CLOCKS -w -Igen -Ijpeg-xl
	-Ijpeg-xl/lib/include -Ihighway -Ibrotli/c/include"
cxx="-std=c++11 -fno-exceptions -fno-rtti -DJPEGXL_ENABLE_TRANSCODE_JPEG=0 -DHWY_COMPILE_ONLY_SCALAR -include gen/mutex.h"
sources=$(sed -n '/^set(JPEGXL_INTERNAL_SOURCES_DEC/,/^)/s/^ *\(.*\.cc\)$/jpeg-xl\/lib\/\1/p' jpeg-xl/lib/jxl.cmake)
# shellcheck disable=SC2086 # lists
{
	for f in $sources highway/hwy/aligned_allocator.cc highway/hwy/targets.cc decode.cc; do
		echo "clang++-14 $flags $cxx -c -o obj/$(echo "$f" | tr / _).o $f" | tr '\n\t' '  '
		echo
	done
	for f in brotli/c/common/*.c brotli/c/dec/*.c; do
		echo "clang-14 $flags -c -o obj/$(echo "$f" | tr / _).o $f" | tr '\n\t' '  '
		echo
	done
} | xargs -P "$(nproc)" -d '\n' -n 1 sh -c
clang++-14 --target=wasm32-wasi -nostartfiles -Wl,--no-entry -Wl,--export=malloc -Wl,--strip-all -Wl,--gc-sections \
	-Wl,-z,stack-size=4194304 -o jxl.wasm obj/*.o -lwasi-emulated-process-clocks -lc++abi
gzip -9 -n <jxl.wasm >"$out/jxl.wasm.gz"
cp jpeg-xl/LICENSE "$out/licences/LICENSE.libjxl"
cp jpeg-xl/PATENTS "$out/licences/PATENTS.libjxl"
cp highway/LICENSE "$out/licences/LICENSE.highway"
cp brotli/LICENSE "$out/licences/LICENSE.brotli"
ls -l jxl.wasm "$out/jxl.wasm.gz"
sha256sum "$out/jxl.wasm.gz"
