#!/bin/sh
# Makes internal/picture/testdata/cases/variants: one small picture in many kinds of TIFF, BMP, PNM and GIF, each with the
# pixels that Pillow, or libvips where Pillow cannot, reads from it. The files in the repository were made with libtiff
# 4.5, libvips 8.14, ImageMagick 6.9, netpbm 11 and Pillow 9.4 (Debian 12: libtiff-tools, libvips-tools, imagemagick, netpbm,
# python3-pil, python3-numpy).
set -eu
out=$(cd "$(dirname "$0")/../../internal/picture/testdata/cases" && pwd)/variants
rm -rf "$out"
mkdir -p "$out"
cd "$out"
python=/usr/bin/python3

$python - <<'EOF'
import numpy as np
from PIL import Image
y, x = np.mgrid[0:23, 0:31]
wave = lambda a, b: (128 + 100 * np.sin(x / a) * np.cos(y / b)).astype(np.uint8)
rgb = np.stack([wave(5, 7), wave(9, 3), wave(4, 11)], 2)
rgb[5:9, 8:14] = [255, 0, 40]
Image.fromarray(rgb).save("src.tif")
Image.fromarray(rgb).convert("L").save("gray.tif")
# Black and white: runs of all lengths, and rows that differ little from the one before.
rng = np.random.default_rng(1)
bw = np.zeros((24, 2700), np.uint8)
for row in range(16):
    at = colour = 0
    while at < bw.shape[1]:
        n = int(rng.choice([rng.integers(0, 4), rng.integers(0, 70), rng.integers(0, 2650)]))
        bw[row, at:at + n] = colour
        at, colour = at + n, colour ^ 255
for row in range(16, 24):
    bw[row] = np.roll(bw[row - 1], int(rng.integers(-4, 5)))
Image.fromarray(bw).convert("1").save("bw.tif")
EOF

for c in g3:1d g3:2d g3:fill g3:2d:fill g4; do
  tiffcp -c $c bw.tif "fax_$(echo $c | tr : _).tif"
  tiffcp -f lsb2msb -c $c bw.tif "fax_$(echo $c | tr : _)_lsb.tif"
done
for c in none lzw:2 zip:2 packbits zstd:2; do
  for o in "-t -w 16 -l 16" "-p separate" "-B -r 4" "-f lsb2msb" "-8"; do
    # shellcheck disable=SC2086 # $o is several options, or none
    tiffcp -c $c $o src.tif "tiff_$(echo "$c$o" | tr -d ': -').tif"
  done
done
convert src.tif -depth 16 -define tiff:predictor=2 -compress zip deep_zip.tif
convert src.tif -depth 16 -endian MSB -compress lzw deep_msb.tif
convert src.tif -colorspace CMYK -depth 8 cmyk.tif
convert src.tif -type palette -colors 12 -depth 4 palette4.tif
vips colourspace src.tif gray.v b-w
for b in 1 2 4; do
  vips tiffsave gray.v gray$b.tif --bitdepth $b
  vips tiffsave gray.v white$b.tif --bitdepth $b --miniswhite
done
vips cast src.tif float.v float
vips linear float.v unit.v 0.00392156862745098 0
vips tiffsave unit.v float_deflate.tif --compression deflate --predictor float
vips tiffsave unit.v float_tiles.tif --compression zstd --predictor float --tile --tile-width 16 --tile-height 16
vips tiffsave src.tif pyramid.tif --pyramid --tile --tile-width 16 --tile-height 16
vips tiffsave src.tif jpeg_tiles.tif --compression jpeg --tile --tile-width 16 --tile-height 16 --Q 90
vips tiffsave src.tif jpeg_strips.tif --compression jpeg --Q 95
tiffcp src.tif gray.tif pages.tif

convert src.tif -type palette BMP3:palette.bmp
convert src.tif -type palette -colors 12 -compress RLE BMP3:rle.bmp
convert src.tif BMP2:os2.bmp
convert src.tif -alpha set BMP:v5.bmp
convert gray.tif -monochrome BMP3:mono.bmp

for k in ppm pgm pbm pam; do convert src.tif text.$k; done
convert src.tif -compress none plain.ppm
convert gray.tif -compress none plain.pgm
convert gray.tif -monochrome -compress none plain.pbm
convert src.tif -depth 16 deep.ppm
convert gray.tif -depth 16 deep.pgm
convert src.tif -alpha set deep.pam
pnmdepth 100 text.ppm > hundred.ppm 2>/dev/null

convert src.tif -interlace GIF interlaced.gif
convert src.tif \( src.tif -flip \) -delay 10 animated.gif
rm ./*.v

$python - <<'EOF'
import glob
import subprocess
import numpy as np
from PIL import Image
for f in sorted(glob.glob("*.*")):
    if f.startswith("float"):
        # Pillow does not read them; src.tif is what they were made from.
        subprocess.run(["vips", "copy", "src.tif", f + ".png"], check=True)
        continue
    if f.endswith(".pam"):
        subprocess.run(["convert", f, "-alpha", "off", "-depth", "8", "PNG24:" + f + ".png"], check=True)
        continue
    m = Image.open(f)
    if m.mode.startswith("I"):  # 16-bit grey: v/257, not clipped
        m = Image.fromarray(np.round(np.asarray(m) / 257).astype(np.uint8))
    m.convert("RGB").save(f + ".png", optimize=True)
EOF

# HEIC and AVIF in testdata/cases/other, with the pixels that libheif 1.15 reads (Debian 12: libheif-examples, libavif-bin).
cd ../other
convert a.ppm /tmp/src.png
for c in 422 444; do heif-enc -q 80 -p chroma=$c /tmp/src.png -o c$c.heic; done
avifenc --irot 1 /tmp/src.png rot.avif
for m in 0 1; do avifenc --imir $m /tmp/src.png mir$m.avif; done
avifenc -d 10 -y 444 /tmp/src.png ten.avif
avifenc --crop 10,10,60,40 /tmp/src.png crop.avif
for f in *.heic *.avif; do heif-convert "$f" "$f.png"; done

# JPEG 2000 in testdata/cases/other, with the samples that OpenJPEG 2.5.0 reads (Debian 12: libopenjp2-tools). rgba.jp2, la.jp2
# and ycc.jp2 are written by Pillow 9.4, which gives the pixels of the first two. palette.jp2 is grey.jp2 with the indices of 40
# colours, a palette (pclr) and its mapping (cmap).
convert a.ppm -crop 61x47+7+3 +repage /tmp/small.ppm
convert /tmp/small.ppm -colorspace Gray -depth 8 /tmp/small.pgm
convert /tmp/small.ppm -depth 16 -evaluate multiply 1.003 /tmp/small16.ppm
convert /tmp/small.pgm -depth 16 -evaluate add 77 /tmp/small16.pgm
opj_compress -i /tmp/small.ppm -o tiles.jp2 -n 3 -t 16,16 -r 8
opj_compress -i /tmp/small.ppm -o lossy97.jp2 -I -r 10
opj_compress -i /tmp/small.ppm -o stream.j2k -p RPCL -n 3
opj_compress -i /tmp/small.pgm -o grey.jp2
opj_compress -i /tmp/small16.ppm -o rgb16.jp2
opj_compress -i /tmp/small16.pgm -o grey16.jp2
opj_compress -i /tmp/small.ppm -o offset.jp2 -d 5,3 -T 2,1 -t 32,32
convert /tmp/small.ppm -sampling-factor 2x2 -interlace plane /tmp/small.yuv
opj_compress -i /tmp/small.yuv -F 61,47,3,8,u@1x1:2x2:2x2 -o s420.jp2

# JPEG XL in testdata/cases/other, with the samples that djxl 0.7.0 gives (Debian 12: libjxl-tools).
# turned.jxl has orientation 6 in its codestream; JxlEncoderSetBasicInfo writes that, and cjxl does not.
convert /tmp/small.ppm /tmp/s.png
convert /tmp/small.pgm /tmp/g.png
convert /tmp/small16.ppm /tmp/s16.png
convert /tmp/s.png /tmp/g.png -alpha off -compose CopyOpacity -composite /tmp/rgba.png
convert /tmp/s.png -quality 85 /tmp/q.jpg
convert -delay 10 /tmp/s.png \( /tmp/s.png -negate \) /tmp/anim.gif
cjxl -d 0 /tmp/s.png lossless.jxl
cjxl -d 0 /tmp/g.png grey.jxl
cjxl -d 2 /tmp/s.png d2.jxl
cjxl -d 0 /tmp/s16.png rgb16.jxl
cjxl -d 1 /tmp/rgba.png rgba.jxl
cjxl -d 1 --container=1 /tmp/s.png box.jxl
cjxl /tmp/q.jpg fromjpeg.jxl
cjxl -d 0 /tmp/anim.gif anim.jxl
for f in *.jp2 *.j2k; do opj_decompress -i "$f" -o "/tmp/$f.ppm"; done
for f in *.jxl; do djxl "$f" "/tmp/$f.png"; done
python3 - <<'EOF'
import glob, subprocess
import numpy as np
from PIL import Image
for f in glob.glob("*.j[px][2l]") + glob.glob("*.j2k"):
    if f in ("rgba.jp2", "la.jp2"):
        Image.open(f).convert("RGB").save(f + ".png", optimize=True)
        continue
    decoded = f"/tmp/{f}." + ("png" if f.endswith(".jxl") else "ppm")
    w, h = Image.open(decoded).size
    raw = subprocess.run(["convert", decoded, "-alpha", "off", "-depth", "16", "-endian", "LSB", "rgb:-"], check=True, capture_output=True)
    v = np.frombuffer(raw.stdout, "<u2").reshape(h, w, 3)
    Image.fromarray(np.round(v / 257).astype(np.uint8)).save(f + ".png", optimize=True)
EOF
