#!/usr/bin/env bash
# A small study from start to end: trains an autoencoder, forges four families of manipulation from photographs,
# trains a small model on each, tests each on all, and writes the report.
#   scripts/study-mini.sh PHOTOS OUT
# PHOTOS holds train/, valid/ and test/, split by photograph; a folder without these is split here, seven to one to two.
# Results made from the same photographs and settings are kept: an interrupted study continues where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."

photos=$(realpath "${1:?usage: scripts/study-mini.sh PHOTOS OUT}")
out=$(realpath -m "${2:?usage: scripts/study-mini.sh PHOTOS OUT}")
declip=bin/declip
begin=$SECONDS
mkdir -p "$out/data"

# listing FOLDER names every file in it with its size: what a forged set is made of.
listing() { find -L "$1" -type f -printf '%P %s\n' | LC_ALL=C sort; }

# A stamp says from what a thing was made, and that it is whole.
made() { # made NAME STAMP
	[[ -e $out/$1 && -f $out/stamps/$1 && $(<"$out/stamps/$1") == "$2" ]]
}
stamp() { # stamp NAME STAMP
	mkdir -p "$(dirname "$out/stamps/$1")"
	echo "$2" >"$out/stamps/$1"
}

if [[ ! -d $photos/train || ! -d $photos/valid || ! -d $photos/test ]]; then
	from=$(listing "$photos" | sha256sum)
	if ! made photos "$from"; then
		echo "study-mini: $photos has no train/, valid/ and test/: splitting it in $out/photos"
		rm -rf "$out/photos"
		mkdir -p "$out/photos/"{train,valid,test}
		n=0
		while IFS= read -r -d '' file; do
			case $((n % 10)) in
			2) part=valid ;;
			5 | 8) part='test' ;;
			*) part=train ;;
			esac
			ln -s "$file" "$(printf '%s/photos/%s/%06d.%s' "$out" "$part" "$n" "${file##*.}")"
			n=$((n + 1))
		done < <(find -L "$photos" -type f \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.webp' -o \
			-iname '*.tif' -o -iname '*.tiff' -o -iname '*.bmp' \) -print0 | LC_ALL=C sort -z)
		if ((n < 10)); then
			echo "study-mini: $photos holds $n photographs, expected at least 10" >&2
			rm -rf "$out/photos"
			exit 1
		fi
		stamp photos "$from"
	fi
	photos=$out/photos
fi

codec=$out/autoencoder.safetensors
training=(--steps 400 --seed 1)
from="${training[*]} $(listing "$photos/train" | sha256sum)"
if ! made autoencoder.safetensors "$from"; then
	echo "study-mini: training the autoencoder of the family latent"
	"$declip" forge train-autoencoder --photos "$photos/train" --force --out "$codec" "${training[@]}"
	stamp autoencoder.safetensors "$from"
fi

forge() { # forge FAMILY PART COUNT SEED OPTION...
	local name=data/$1/$2 from
	local settings=(--methods "$1" --count "$3" --seed "$4" --size 256,384 --share 0.02,0.3 --jpeg 90,100 --treated 0.2 "${@:5}")
	from="${settings[*]} $(listing "$photos/$2" | sha256sum) $([[ $1 != latent ]] || sha256sum <"$codec")"
	if made "$name" "$from"; then
		return
	fi
	rm -rf "${out:?}/$name"
	"$declip" forge --photos "$photos/$2" --out "$out/$name" "${settings[@]}"
	stamp "$name" "$from"
}
for family in latent splice inpaint-diffusion inpaint-exemplar; do
	options=()
	if [[ $family == latent ]]; then
		options=(--autoencoder "$codec")
	fi
	forge "$family" train 400 1 "${options[@]}"
	forge "$family" valid 40 2 "${options[@]}"
	forge "$family" test 80 3 "${options[@]}"
done

cp scripts/study-mini.yaml "$out/study.yaml"
"$declip" study "$out/study.yaml"
echo "study-mini: $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s in all"
