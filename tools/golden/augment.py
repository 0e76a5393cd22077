#!/usr/bin/python3
"""Writes internal/dataset/testdata/augment.json: the published augmentations as Pillow and PyTorch compute them.

Needs Pillow, NumPy and PyTorch; the tests need only its output. torchvision's formulas for PIL pictures: factors go to
Pillow's ImageEnhance; the hue is shifted in 8-bit HSV; the Gaussian is a convolution of the picture reflected at its border.
"""
import base64
import json
import pathlib

import numpy as np
import torch
from PIL import Image, ImageEnhance


def hue(picture, share):
    h, s, v = picture.convert("HSV").split()
    values = np.array(h, dtype=np.uint8)
    values = (values.astype(int) + int(share * 255)) % 256
    return Image.merge("HSV", (Image.fromarray(values.astype(np.uint8), "L"), s, v)).convert("RGB")


def blur(picture, sigma):
    x = torch.linspace(-2, 2, 5)
    one = torch.exp(-0.5 * (x / sigma) ** 2)
    one = one / one.sum()
    kernel = torch.mm(one[:, None], one[None, :]).expand(3, 1, 5, 5)
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float()
    pixels = torch.nn.functional.pad(pixels, [2, 2, 2, 2], mode="reflect")
    out = torch.nn.functional.conv2d(pixels, kernel, groups=3)
    return Image.fromarray(out.round().to(torch.uint8)[0].permute(1, 2, 0).numpy())


def data(picture):
    return base64.b64encode(picture.tobytes()).decode()


if __name__ == "__main__":
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (24, 16, 3), dtype=np.uint8)
    noise[:4] = noise[:4, :, :1]  # greys
    picture = Image.fromarray(noise)
    cases = []
    for factor in (0.7, 0.93, 1.0, 1.21, 1.3):
        for name, enhance in (("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast), ("saturation", ImageEnhance.Color)):
            cases.append({"what": name, "value": factor, "pixels": data(enhance(picture).enhance(factor))})
    for share in (-0.3, -0.111, 0.0, 0.2, 0.3):
        cases.append({"what": "hue", "value": share, "pixels": data(hue(picture, share))})
    for sigma in (0.4, 0.9, 2.0):
        cases.append({"what": "blur", "value": sigma, "pixels": data(blur(picture, sigma))})
    path = pathlib.Path(__file__).parent.parent.parent / "internal/dataset/testdata/augment.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"width": 16, "height": 24, "pixels": data(picture), "cases": cases}) + "\n")
