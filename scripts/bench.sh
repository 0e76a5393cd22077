#!/usr/bin/env bash
# Measures the program and compares its parts with PyTorch and NumPy, where a Python has them:
#   scripts/bench.sh [MODEL]
# BENCH_ONLY=metrics, published, whole (other authors' networks), dino or lora (a training step of adapters) measures these alone.
# MODEL is a built-in name or a file (default: lite). BENCH_PYTHON names the Python (default: Debian's).
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -r /proc/loadavg ]]; then
	read -r load _ </proc/loadavg
	if [[ ${load%.*} -ge 1 ]]; then
		echo "bench: the machine is busy (load $load): these numbers, and PyTorch's above all, will suffer" >&2
	fi
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/declip" ./cmd/declip
go build -o "$work/bench" ./tools/bench
# A program outside the checkout does not find the checkout's library by itself.
if [[ -z ${DECLIP_ORT_LIB:-} && -d .cache/onnxruntime ]]; then
	export DECLIP_ORT_LIB=$PWD/.cache/onnxruntime
fi
"$work/bench" ${BENCH_ONLY:+"-$BENCH_ONLY"} -m "${1:-lite}" -declip "$work/declip" -python "${BENCH_PYTHON:-/usr/bin/python3}"
