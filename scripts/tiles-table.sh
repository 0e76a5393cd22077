#!/usr/bin/env bash
# Measures what tiles are worth for small edits: trains DINOv3-IML's head on a tiny DINOv3 with random weights, and compares
# its maps of 3-megapixel pictures scaled to 512 x 512 with those of tiles of 512 x 512 of the pictures' own pixels.
#   scripts/tiles-table.sh PHOTOS OUT
# PHOTOS holds train/, valid/ and test/, split by photograph. Two heads are trained: one on crops at the photographs' own
# scale, and, from its weights, one on whole pictures scaled to 512 x 512. Takes about half an hour on 2 cores and 3 GB on disk.
# Steps whose results are in OUT are left out, so an interrupted run continues.
set -euo pipefail
cd "$(dirname "$0")/.."

photos=$(realpath "${1:?usage: scripts/tiles-table.sh PHOTOS OUT}")
out=$(realpath -m "${2:?usage: scripts/tiles-table.sh PHOTOS OUT}")
declip=bin/declip
begin=$SECONDS
mkdir -p "$out/results"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
go build -o "$tools/tiles" ./tools/tiles

# Edits cover 0.1 to 1 % of a picture of 3 megapixels, which is 5 to 48 % of 256 x 256 pixels.
forge() { # forge NAME PHOTOS COUNT SEED OPTION...
	if [[ ! -f $out/$1/manifest.jsonl ]]; then
		"$declip" forge --photos "$2" --out "$out/$1" --methods inpaint-diffusion --count "$3" --seed "$4" --treated 0 --jpeg 90,100 "${@:5}"
	fi
}
for part in train valid test; do
	if [[ ! -d $out/photos/$part ]]; then
		rm -rf "$out/photos/$part.part"
		"$tools/tiles" -photos "$photos/$part" -out "$out/photos/$part.part" -most 240
		mv "$out/photos/$part.part" "$out/photos/$part"
	fi
done
crops=(--size 256,256 --share 0.03,0.4 --pristine 0.2)
whole=(--size 2048,2048 --share 0.001,0.01)
forge crops/train "$photos/train" 4000 1 "${crops[@]}"
forge crops/valid "$photos/valid" 120 2 "${crops[@]}"
forge whole/train "$out/photos/train" 240 3 "${whole[@]}"
forge whole/valid "$out/photos/valid" 24 4 "${whole[@]}"
forge whole/test "$out/photos/test" 60 5 "${whole[@]}"

train() { # train NAME OPTION...
	if [[ ! -f $out/$1.safetensors ]]; then
		"$declip" train --clip "$out/backbone.safetensors" --out "$out/runs/$1" --force --cache "$out/cache" --loss-dice 0.3 --average 0.98 \
			--best-by ap --schedule cosine --warmup 50 --seed 1 "${@:2}"
		cp "$out/runs/$1/best.safetensors" "$out/$1.safetensors"
	fi
}
rows=()
measure() { # measure MODEL ROW OPTION...
	local name="trained on $1, $2"
	if [[ ! -f $out/results/$name.json ]]; then
		"$declip" eval -m "$out/$1.safetensors" --clip "$out/backbone.safetensors" --data "$out/whole/test" --input 512 --json "${@:3}" \
			>"$out/results/$name.json.part"
		mv "$out/results/$name.json.part" "$out/results/$name.json"
	fi
	rows+=("$out/results/$name.json")
}
if [[ ! -f $out/crops.safetensors ]]; then
	"$tools/tiles" -backbone "$out/backbone.safetensors"
fi
train crops --arch dinov3 --layer layer0 --decoder conv3 --input 256 --data "$out/crops/train" --valid "$out/crops/valid" \
	--batch-size 16 --lr 2e-3 --epochs 8
measure crops "whole picture at 512"
measure crops "tiles 512,128" --tiles 512,128
train whole --init "$out/crops.safetensors" --input 512 --data "$out/whole/train" --valid "$out/whole/valid" \
	--batch-size 8 --lr 1e-3 --epochs 10 --epoch-pictures 480 --max-time 12m
measure whole "whole picture at 512"
for context in mean max; do
	measure crops "tiles 512,128 and $context" --tiles 512,128 --context $context
done
"$tools/tiles" -table "${rows[@]}"
echo "tiles-table: $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s in all"
