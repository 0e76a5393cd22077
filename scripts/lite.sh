#!/usr/bin/env bash
# Trains the embedded model "lite" from real photographs and puts it where the program embeds it.
#   scripts/lite.sh PHOTOS     PHOTOS holds train/ and valid/, split by photograph
# LITE_WORK (default .cache/lite) receives what is made on the way: pictures, checkpoints, logs.
# LITE_TIME (default 18m, or LITE_PERCENT of it) is how long each of stages 4 to 6 of eight trains. The recipe takes
# about five hours on 2 cores: 75 minutes for the pictures, 100 for stages 1 to 6, 10 and 80 for stages 7 and 8, 20 to
# calibrate. LITE_PERCENT (default 100) is the share of pictures and steps: 1 tries the recipe out in minutes, with some
# photographs. Its network is not embedded but written to LITE_WORK, however many untouched pictures it flags.
# docs/lite.md gives the reasons for the settings.
set -euo pipefail
cd "$(dirname "$0")/.."

photos=${1:?usage: scripts/lite.sh PHOTOS}
work=${LITE_WORK:-.cache/lite}
percent=${LITE_PERCENT:-100}
out=internal/models/models/lite.safetensors flagged=0.035
if ((percent < 100)); then
	out=$work/lite.safetensors flagged=1
fi
declip=bin/declip

for part in train valid; do
	[[ -d $photos/$part ]] || {
		echo "lite: $photos/$part is missing: photographs to train on and to validate on, in two folders" >&2
		exit 1
	}
done
mkdir -p "$work"

part() { # part COUNT: LITE_PERCENT of it, at least 8
	local n=$(($1 * percent / 100))
	echo $((n > 8 ? n : 8))
}

share() { # share MINUTES: LITE_PERCENT of them
	echo "$(($1 * 60 * percent / 100))s"
}
time=${LITE_TIME:-$(share 18)}

echo "lite: forging pictures in $work"
forge() { # forge FOLDER NAME COUNT OPTION...
	rm -rf "${work:?}/$2"
	"$declip" forge --photos "$1" --out "$work/$2" --count "$(part "$3")" "${@:4}"
}
vary() { # vary PART NAME COPIES OPTION...
	rm -rf "${work:?}/$2"
	"$declip" forge vary --photos "$photos/$1" --out "$work/$2" --copies "$3" "${@:4}"
}
forge "$photos/train" untreated 3000 --seed 21 --size 256,448 --pristine 0.15 --treated 0 --jpeg 90,100
forge "$photos/train" treated 8000 --seed 22 --size 256,512 --pristine 0.2
forge "$photos/train" large 4000 --seed 23 --size 448,1024 --pristine 0.2
forge "$photos/train" whole 10000 --seed 71 --size 320,1024 --pristine 0.15

# For the last two stages: with the histories that pictures have, and small manipulations; and more of the usual kind.
histories=(--pristine 0.15 --histories --share 0.001,0.4 --treated 0.3)
forge "$photos/train" histories-1 2400 --seed 201 "${histories[@]}" --size 320,896
forge "$photos/train" today-1 2400 --seed 202 --pristine 0.15 --size 320,896
forge "$photos/train" histories-2 6000 --seed 203 "${histories[@]}" --size 320,1024
forge "$photos/train" today-2 6000 --seed 204 --pristine 0.15 --size 320,1024

# To choose on: half of the usual kind, half with histories.
forge "$photos/valid" valid-today 160 --seed 12 --pristine 0.13
forge "$photos/valid" valid-histories 160 --seed 13 --pristine 0.2 --histories --share 0.001,0.4 --treated 0.3

# Other photographs out of the photographs, for stages 6 and 8; and out of those of valid/, to count false alarms on.
vary train varied 6 --seed 101
vary train varied-2 2 --seed 205
forge "$work/varied" again 4000 --seed 91 --size 320,1024 --pristine 0.1
vary valid varied-valid 3 --seed 7

# Lists of what stages 5 to 8 train on: what was forged, and untouched pictures several times over.
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
{
	echo $header
	forged histories-1
	untouched 3 "$photos"/train/*
} >"$work/histories.csv"
{
	echo $header
	forged histories-1 today-1 histories-2 today-2
	untouched 3 "$photos"/train/*
	untouched 1 "$(realpath "$work")"/varied-2/*_*
} >"$work/all.csv"
{
	echo $header
	forged valid-today valid-histories
} >"$work/valid.csv"

train() { # train NAME OPTION...
	rm -rf "${work:?}/$1"
	"$declip" train --out "$work/$1" --valid "$work/valid.csv" --valid-limit 80 --best-by ap \
		--draws 3 --augment-turn --schedule cosine --warmup 50 --clip-norm 1 "${@:2}"
}
network=(--arch xceptionnet-lite --residual --dct 48 --widths 32,32,64,128 --dilations 1,2,4,8,1)

echo "lite: training on untreated pictures, where the traces are whole"
train stage1 --data "$work/untreated" "${network[@]}" \
	--crop-size 160 --batch-size 16 --inside 0.9 --lr 3e-3 --average 0.99 --epoch-pictures "$(part 3000)" --seed 1 --max-time "$(share 9)"
echo "lite: training on treated and compressed pictures"
train stage2 --data "$work/treated" --init "$work/stage1/best.safetensors" \
	--crop-size 160 --batch-size 16 --inside 0.8 --lr 2.5e-3 --average 0.998 --epoch-pictures "$(part 4000)" --seed 2 --max-time "$(share 20)"
echo "lite: training on larger parts of pictures, with more of what is untouched"
train stage3 --data "$work/treated" --init "$work/stage2/best.safetensors" \
	--crop-size 256 --batch-size 6 --inside 0.6 --lr 1.5e-3 --average 0.998 --epoch-pictures "$(part 3000)" --seed 4 --max-time "$(share 18)"

echo "lite: training on parts of large pictures, and taking the mean with the stage before"
train stage4 --data "$work/large" --init "$work/stage3/best.safetensors" --loss-dice 0.1 \
	--crop-size 320 --batch-size 6 --inside 0.6 --lr 1.2e-3 --average 0.998 --epoch-pictures "$(part 3000)" --seed 11 --max-time "$time"
go run ./tools/average -share 0.4 -o "$work/mean.safetensors" "$work/stage3/best.safetensors" "$work/stage4/best.safetensors"

echo "lite: training a decoder that sees whole pictures, on the backbone as it is now"
train stage5 --data "$work/whole.csv" "${network[@]}" \
	--decoder pyramid --freeze-backbone --backbone "$work/mean.safetensors" --no-cache --loss-dice 0.5 --draws 1 \
	--crop-size 640 --batch-size 8 --inside 0.6 --lr 2e-3 --warmup 60 --average 0.998 --epoch-pictures "$(part 1500)" --seed 16 --max-time "$time"

echo "lite: training both decoders, with pictures as other cameras and editors would have left them"
train stage6 --data "$work/varied.csv" --init "$work/stage5/best.safetensors" --thaw-context --loss-dice 0.5 --draws 1 \
	--crop-size 640 --batch-size 6 --inside 0.6 --lr 1e-3 --warmup 60 --average 0.998 --epoch-pictures "$(part 750)" --seed 23 --max-time "$time"

echo "lite: training all weights, with histories and small manipulations"
go run ./tools/grow -evidence 0 -o "$work/all-weights.safetensors" "$work/stage6/best.safetensors"
long=(--loss-dice 0.5 --draws 1 --inside 0.6 --batch-size 6)
train stage7 --data "$work/histories.csv" --init "$work/all-weights.safetensors" "${long[@]}" --crop-size 320 \
	--lr 1e-3 --warmup 30 --average 0.98 --epochs 5 --epoch-pictures "$(part 600)" --valid-limit 100 --seed 301
echo "lite: training all weights on all pictures"
train stage8 --data "$work/all.csv" --init "$work/stage7/best.safetensors" "${long[@]}" --crop-size 512 \
	--lr 1.2e-3 --warmup 100 --average 0.998 --epochs 16 --epoch-pictures "$(part 1500)" --valid-limit 200 --seed 302

echo "lite: calibrating"
"$declip" calibrate -m "$work/stage8/best.safetensors" --data "$work/valid.csv" --pristine "$photos/valid" --pristine "$work/varied-valid" \
	--copies --double-jpeg --blobs --judge --max-flagged "$flagged" --force -o "$out"
