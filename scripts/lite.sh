#!/usr/bin/env bash
# Trains the embedded model "lite" from real photographs and puts it where the program embeds it.
#   scripts/lite.sh PHOTOS     PHOTOS holds train/ and valid/, split by photograph
# LITE_WORK (default .cache/lite) receives what is made on the way: pictures, checkpoints, logs.
# LITE_TIME (default 18m) is how long each of the last three of six stages trains: the longer the better. The recipe
# takes about two hours on 2 cores, 25 minutes of them for the pictures; with 75m it takes about five.
# docs/lite.md gives the reasons for the settings.
set -euo pipefail
cd "$(dirname "$0")/.."

photos=${1:?usage: scripts/lite.sh PHOTOS}
work=${LITE_WORK:-.cache/lite}
time=${LITE_TIME:-18m}
declip=bin/declip

for part in train valid; do
	[[ -d $photos/$part ]] || {
		echo "lite: $photos/$part is missing: photographs to train on and to validate on, in two folders" >&2
		exit 1
	}
done
mkdir -p "$work"

echo "lite: forging pictures in $work"
forge() { # forge FOLDER NAME COUNT OPTION...
	rm -rf "${work:?}/$2"
	"$declip" forge --photos "$1" --out "$work/$2" --count "$3" "${@:4}"
}
vary() { # vary PART NAME COPIES OPTION...
	rm -rf "${work:?}/$2"
	"$declip" forge vary --photos "$photos/$1" --out "$work/$2" --copies "$3" "${@:4}"
}
forge "$photos/train" untreated 3000 --seed 21 --size 256,448 --pristine 0.15 --treated 0 --jpeg 90,100
forge "$photos/train" treated 8000 --seed 22 --size 256,512 --pristine 0.2
forge "$photos/train" large 4000 --seed 23 --size 448,1024 --pristine 0.2
forge "$photos/train" whole 10000 --seed 71 --size 320,1024 --pristine 0.15
forge "$photos/valid" valid 240 --seed 12 --pristine 0.13

# Other photographs out of the photographs, for the last stage; and out of those of valid/, to count false alarms on.
vary train varied 6 --seed 101
forge "$work/varied" again 4000 --seed 91 --size 320,1024 --pristine 0.1
vary valid untouched-valid 3 --seed 7
cp "$photos"/valid/* "$work/untouched-valid"

# Lists of what the last two stages train on: what was forged, and untouched pictures several times over.
photos=$(realpath "$photos")
forged() { # forged NAME...
	for name; do
		for f in "$work/$name"/images/*; do
			stem=${f##*/}
			stem=${stem%.*}
			echo "$name/images/${f##*/},$name/masks/$stem.png,,${stem#*_}"
		done
	done
}
untouched() { # untouched TIMES FILE...
	for _ in $(seq "$1"); do
		for f in "${@:2}"; do echo "$f,,0,untouched"; done
	done
}
header=image,mask,label,method
{
	echo $header
	forged whole
	untouched 12 "$photos"/train/*
} >"$work/whole.csv"
{
	echo $header
	forged whole again
	untouched 4 "$photos"/train/* "$(realpath "$work")"/varied/*_*
} >"$work/varied.csv"

train() { # train NAME OPTION...
	rm -rf "${work:?}/$1"
	"$declip" train --out "$work/$1" --valid "$work/valid" --valid-limit 80 --best-by ap \
		--draws 3 --augment-turn --schedule cosine --warmup 50 --clip-norm 1 "${@:2}"
}
network=(--arch xceptionnet-lite --residual --dct 48 --widths 32,32,64,128 --dilations 1,2,4,8,1)

echo "lite: training on untreated pictures, where the traces are whole"
train stage1 --data "$work/untreated" "${network[@]}" \
	--crop-size 160 --batch-size 16 --inside 0.9 --lr 3e-3 --average 0.99 --epoch-pictures 3000 --seed 1 --max-time 9m
echo "lite: training on treated and compressed pictures"
train stage2 --data "$work/treated" --init "$work/stage1/best.safetensors" \
	--crop-size 160 --batch-size 16 --inside 0.8 --lr 2.5e-3 --average 0.998 --epoch-pictures 4000 --seed 2 --max-time 20m
echo "lite: training on larger parts of pictures, with more of what is untouched"
train stage3 --data "$work/treated" --init "$work/stage2/best.safetensors" \
	--crop-size 256 --batch-size 6 --inside 0.6 --lr 1.5e-3 --average 0.998 --epoch-pictures 3000 --seed 4 --max-time 18m

echo "lite: training on parts of large pictures, and taking the mean with the stage before"
train stage4 --data "$work/large" --init "$work/stage3/best.safetensors" --loss-dice 0.1 \
	--crop-size 320 --batch-size 6 --inside 0.6 --lr 1.2e-3 --average 0.998 --epoch-pictures 3000 --seed 11 --max-time "$time"
go run ./tools/average -share 0.4 -o "$work/mean.safetensors" "$work/stage3/best.safetensors" "$work/stage4/best.safetensors"

echo "lite: training a decoder that sees whole pictures, on the backbone as it is now"
train stage5 --data "$work/whole.csv" "${network[@]}" \
	--decoder pyramid --freeze-backbone --backbone "$work/mean.safetensors" --no-cache --loss-dice 0.5 --draws 1 \
	--crop-size 640 --batch-size 8 --inside 0.6 --lr 2e-3 --warmup 60 --average 0.998 --epoch-pictures 1500 --seed 16 --max-time "$time"

echo "lite: training both decoders, with pictures as other cameras and editors would have left them"
train stage6 --data "$work/varied.csv" --init "$work/stage5/best.safetensors" --thaw-context --loss-dice 0.5 --draws 1 \
	--crop-size 640 --batch-size 6 --inside 0.6 --lr 1e-3 --warmup 60 --average 0.998 --epoch-pictures 750 --seed 23 --max-time "$time"

echo "lite: calibrating"
"$declip" calibrate -m "$work/stage6/best.safetensors" --data "$work/valid" --pristine "$work/untouched-valid" \
	--copies --double-jpeg --blobs --max-flagged 0.06 --force -o internal/models/models/lite.safetensors
