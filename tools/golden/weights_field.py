#!/usr/bin/env python3
"""Small weights files laid out as published trainings write theirs, and what is in them.

    /usr/bin/python3 tools/golden/weights_field.py internal/nn/weights/testdata

Needs PyTorch and NumPy. field.json describes the files as golden.json does (see
weights.py).
"""
import argparse
import collections
import json
import os
import pathlib
import sys

import numpy
import torch
from torch import nn

from weights import LEGACY, OPAQUE, flatten

# Classes of which only the name is read, by the name in the pickle.
OPAQUE.update({
    numpy.float64: "numpy.core.multiarray.scalar", numpy.float32: "numpy.core.multiarray.scalar",
    numpy.int64: "numpy.core.multiarray.scalar", numpy.bool_: "numpy.core.multiarray.scalar",
    numpy.ndarray: "numpy.core.multiarray._reconstruct",
    argparse.Namespace: "argparse.Namespace", pathlib.PosixPath: "pathlib.PosixPath",
    torch.device: "torch.device",
})


def network():
    """A state_dict, an OrderedDict with the attribute _metadata, and the network."""
    model = nn.Sequential(nn.Conv2d(3, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 1, 1))
    return model


def segmentation():
    """Laid out as CAT-Net's and TruFor's trainings save: momentum by large ints, NumPy's numbers, the options."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=5e-3, momentum=0.9)
    model(torch.randn(2, 3, 6, 6)).mean().backward()
    optimizer.step()
    state = optimizer.state_dict()
    numbers = {i: 140194238654400 + 72 * i for i in state["state"]}
    state["state"] = {numbers[i]: v for i, v in state["state"].items()}
    for group in state["param_groups"]:
        group["params"] = [numbers[i] for i in group["params"]]
    return {
        "epoch": 196, "best_p_mIoU": numpy.float64(0.4375), "best": numpy.float32(0.5), "step": numpy.int64(7),
        "done": numpy.bool_(True), "weights": numpy.array([0.5, 2.5]), "device": torch.device("cuda:0"),
        "args": argparse.Namespace(lr=5e-3, milestones=[1, 2]), "path": pathlib.PosixPath("runs/1"),
        "counts": collections.defaultdict(list, {"a": [1], "b": 2}), "type": torch.float32,
        "others": [1 + 2j, bytearray(b"ab"), b"ab", {1}, frozenset([1]), slice(1, 2), 0.5],
        "state_dict": model.state_dict(), "optimizer": state,
    }


def main(folder):
    golden = {}
    for protocol in (2, 5):
        torch.manual_seed(4)
        value = segmentation()
        if protocol == 5:
            OPAQUE[numpy.ndarray] = "numpy.core.numeric._frombuffer"
        for suffix, form, options in ((".pth", "pytorch", {}), (".legacy.pth", "pytorch-legacy", LEGACY)):
            name = f"segmentation{protocol}{suffix}"
            torch.save(value, os.path.join(folder, name), pickle_protocol=protocol, **options)
            tensors, metadata = flatten(value)
            golden[name] = {"format": form, "metadata": metadata, "tensors": tensors}
    with open(os.path.join(folder, "field.json"), "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
