#!/bin/sh
# Starts declip with the ONNX Runtime that came with it. DECLIP_ORT_LIB and --ort-lib name another one.
set -eu
self=$0
while [ -L "$self" ]; do # the way to this file may be a link, such as /usr/local/bin/declip
	target=$(readlink "$self")
	case $target in
	/*) self=$target ;;
	*) self=$(dirname "$self")/$target ;;
	esac
done
lib=$(CDPATH='' cd -- "$(dirname -- "$self")/lib" && pwd -P)
: "${DECLIP_ORT_LIB:=$lib/@LIBRARY@}"
export DECLIP_ORT_LIB
exec "$lib/declip" "$@"
