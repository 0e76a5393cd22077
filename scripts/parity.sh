#!/usr/bin/env bash
# Compares declip with PyTorch at full size, where a Python has it: scripts/parity.sh [PICTURE...]
# PARITY_PYTHON names the Python (default: Debian's). Takes about half an hour on 2 cores and 2 GB in the directory for
# temporary files.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${DECLIP_ORT_LIB:-} && -d .cache/onnxruntime ]]; then
	export DECLIP_ORT_LIB=$PWD/.cache/onnxruntime
fi
exec go run ./tools/parity -python "${PARITY_PYTHON:-/usr/bin/python3}" "$@"
