# shellcheck shell=bash
# The data sets of the page about studies: forged pictures, Dolos and AutoSplice.
set -e
for split in train valid test; do
	for set in splice inpaint; do
		mkdir -p forged/$set/$split/images forged/$set/$split/masks
		cp photo.jpg forged/$set/$split/images/photo.jpg
		cp mask.png forged/$set/$split/masks/photo.png
	done
	for set in pluralistic lama repaint-p2-9k ldm; do
		mkdir -p dolos/fake/$set/images/$split dolos/fake/$set/masks/$split
		cp photo.jpg dolos/fake/$set/images/$split/photo.jpg
		cp black.png dolos/fake/$set/masks/$split/photo.png
	done
done
cp -r forged/splice/test forged/test
mkdir -p AutoSplice/Forged_JPEG75 AutoSplice/Mask
cp photo.jpg AutoSplice/Forged_JPEG75/7_0.jpg
cp mask.png AutoSplice/Mask/7_mask.png
