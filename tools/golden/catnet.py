#!/usr/bin/python3
"""Writes internal/nn/network/testdata/catnet.json: PyTorch's logits for CAT-Net with few channels, whole and without pixels.

Needs Debian's python3-torch; the tests themselves don't. Weights are made by the rule of network.py. Inputs too: pixels
are values of "image", coefficients 30 u^3 rounded, for values u of "coefficients", steps 1 + |30 v| rounded.
"""
import base64
import json
import os

import numpy as np
import torch

from catnet_torch import Tensors, forward
from network import uniform

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "internal", "nn", "network", "testdata", "catnet.json")
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


def main():
    cases = []
    for pixels in (True, False):
        for height, width in ((72, 104), (8, 8)):
            image, coefficients, steps = inputs(height, width)
            logits = forward(Tensors(), SIZES, image if pixels else None, coefficients, steps)
            difference = (logits[:, 1] - logits[:, 0]).numpy()
            print(pixels, difference.shape, difference.mean(), difference.std())
            cases.append({"pixels": pixels, "height": height, "width": width,
                          "logits": base64.b64encode(difference.astype("<f4").tobytes()).decode()})
    with open(OUT, "w") as f:
        json.dump({"sizes": SIZES, "cases": cases}, f, indent=1)
        f.write("\n")


main()
