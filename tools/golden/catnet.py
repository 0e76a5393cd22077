#!/usr/bin/python3
"""Writes PyTorch's results for CAT-Net with few channels, whole and without pixels.

internal/nn/network/testdata/catnet.json has logits, internal/localize/published/testdata/catnet.json the maps of the picture
files in that folder, every STEP-th row and column.

Needs Debian's python3-torch, python3-pil and libjpeg-turbo-progs; the tests themselves don't. Weights are made by the rule of network.py. Inputs too: pixels
are values of "image", coefficients 30 u^3 rounded, for values u of "coefficients", steps 1 + |30 v| rounded.
"""
import base64
import json
import os

import numpy as np
import torch

from catnet_torch import Tensors, forward, map_of
from network import uniform

INTERNAL = os.path.join(os.path.dirname(__file__), "..", "..", "internal")
OUT = os.path.join(INTERNAL, "nn", "network", "testdata", "catnet.json")
PICTURES = os.path.join(INTERNAL, "localize", "published", "testdata")
STEP = 5
SIZES = {
    "stem": 6, "inner": 5, "outer": 12, "bottlenecks": 2, "blocks": 2,
    "widths": [4, 6, 8, 10], "modules": [1, 2, 1],
    "dct": [7, 3], "dct_widths": [5, 7, 9], "dct_modules": [2, 1], "dct_blocks": 1,
    "joined": [3, 4, 5, 6],
}


def inputs(height, width):
    image = uniform("image", 3 * height * width).reshape(1, 3, height, width)
    coefficients = np.rint(30 * uniform("coefficients", height * width) ** 3).reshape(1, height, width)
    steps = 1 + np.rint(np.abs(30 * uniform("steps", 64))).reshape(1, 8, 8)
    return [torch.from_numpy(a.astype(np.float32)) for a in (image, coefficients, steps)]


def encoded(array):
    return base64.b64encode(array.astype("<f4").tobytes()).decode()


def maps():
    """The maps of picture files: every layout of JPEG, and formats that are stored as JPEG first."""
    cases = []
    for name in sorted(os.listdir(PICTURES)):
        if name.endswith((".jpg", ".png", ".mpo")):
            for pixels in (True, False):
                m = map_of(Tensors(), SIZES, os.path.join(PICTURES, name), pixels)
                print(name, pixels, m.shape, m.mean(), m.std())
                cases.append({"picture": name, "pixels": pixels, "map": encoded(m[::STEP, ::STEP])})
    return cases


def main():
    cases = []
    for pixels in (True, False):
        for height, width in ((72, 104), (8, 8)):
            image, coefficients, steps = inputs(height, width)
            logits = forward(Tensors(), SIZES, image if pixels else None, coefficients, steps)
            difference = (logits[:, 1] - logits[:, 0]).numpy()
            print(pixels, difference.shape, difference.mean(), difference.std())
            cases.append({"pixels": pixels, "height": height, "width": width,
                          "logits": encoded(difference)})
    for path, content in (OUT, cases), (os.path.join(PICTURES, "catnet.json"), maps()):
        with open(path, "w") as f:
            json.dump({"sizes": SIZES, "cases": content}, f, indent=1)
            f.write("\n")


main()
