#!/usr/bin/python3
"""Writes internal/picture/testdata/coefficients: the coefficients of the JPEG files of internal/picture/testdata, and what
Pillow, with libjpeg-turbo, keeps of pictures that it saves as JPEG of quality 100 without subsampling and reads again.

Needs Debian's python3-pil and libjpeg-turbo-progs; the tests themselves don't. Digests are SHA-256, of the coefficients as
little endian int16 and of the pixels' bytes.
"""
import glob
import hashlib
import io
import json
import os

import numpy as np
from PIL import Image

from jpegfile import read

DATA = os.path.join(os.path.dirname(__file__), "..", "..", "internal", "picture", "testdata")
OUT = os.path.join(DATA, "coefficients")


def digest(array, kind):
    return hashlib.sha256(np.ascontiguousarray(array, kind).tobytes()).hexdigest()


def describe(data):
    coefficients, steps = read(data)
    return {"height": coefficients.shape[0], "width": coefficients.shape[1], "coefficients": digest(coefficients, "<i2"),
            "steps": steps.ravel().tolist()}


def check(data):
    """The reader above against libjpeg: the samples of its coefficients, by a transform in floating point."""
    coefficients, steps = read(data)
    grey = np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(float)
    k = np.arange(8)
    wave = np.sqrt(np.where(k[:, None] == 0, 1, 2) / 8) * np.cos((2 * k + 1) * k[:, None] * np.pi / 16)
    for y in range(0, grey.shape[0] - 7, 8):
        for x in range(0, grey.shape[1] - 7, 8):
            samples = wave.T @ (coefficients[y:y + 8, x:x + 8] * steps) @ wave + 128
            assert np.abs(samples.clip(0, 255) - grey[y:y + 8, x:x + 8]).max() <= 1.01


def noise(w, h):
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (h, w, 3)).astype(np.uint8))


def saved(image, fmt, **options):
    b = io.BytesIO()
    image.save(b, fmt, **options)
    return b.getvalue()


def main():
    os.makedirs(OUT, exist_ok=True)
    for name, image in (("noise.png", noise(61, 45)), ("flat.png", Image.new("RGB", (9, 17), (255, 0, 0)))):
        image.save(os.path.join(OUT, name), optimize=True)
    with open(os.path.join(OUT, "two.mpo"), "wb") as f:
        f.write(saved(noise(24, 16), "MPO", save_all=True, append_images=[noise(24, 16)], quality=80))
    with open(os.path.join(OUT, "one.mpo"), "wb") as f:
        f.write(saved(noise(24, 16), "MPO", save_all=True, quality=80))
    files = {}
    for path in sorted(glob.glob(os.path.join(DATA, "golden", "decode", "*.jpg")) + glob.glob(os.path.join(DATA, "cases", "jpeg", "*.jpg"))
                       + glob.glob(os.path.join(OUT, "*.mpo"))):
        with open(path, "rb") as f:
            data = f.read()
        name = os.path.relpath(path, DATA)
        try:
            files[name] = describe(data)
        except Exception as e:  # damaged on purpose, or in an odd layout: jpegtran or the reader above refuses it
            print("left out:", name, repr(e))
            continue
        files[name]["format"] = Image.open(io.BytesIO(data)).format
        if os.path.basename(name) in ("gray.jpg", "progressive.jpg"):
            check(saved(Image.open(io.BytesIO(data)).convert("L"), "JPEG", quality=70))
    again = {}
    for path in sorted(glob.glob(os.path.join(DATA, "golden", "decode", "*.png")) + glob.glob(os.path.join(OUT, "*.png"))):
        image = Image.open(path)
        if image.mode.startswith("I") or "16" in os.path.basename(path):
            continue  # 16 bits a sample, which Pillow clips
        data = saved(image.convert("RGB"), "JPEG", quality=100, subsampling=0)
        name = os.path.relpath(path, DATA)
        again[name] = describe(data)
        again[name]["pixels"] = digest(np.asarray(Image.open(io.BytesIO(data))), "u1")
        assert set(again[name].pop("steps")) == {1}
    with open(os.path.join(OUT, "golden.json"), "w") as f:
        json.dump({"files": files, "quality100": again}, f, separators=(",", ":"))
        f.write("\n")
    print(len(files), "files,", len(again), "pictures")


main()
