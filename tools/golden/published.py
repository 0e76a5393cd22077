#!/usr/bin/python3
"""Writes internal/nn/network/testdata/trufor.json: PyTorch's results for a copy of TruFor with few channels.

Needs Debian's python3-torch; the tests themselves don't. Weights are made by the rule of network.py. Pictures are levels
0 to 255 made by the same rule, see levels.
"""
import base64
import json
import os

import torch

import network
import trufor

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "internal", "nn", "network", "testdata")


def levels(height, width):
    """[1, 3, height, width], each value a whole number from 0 to 255."""
    u = network.uniform(f"levels{height}x{width}", 3 * height * width)
    return torch.from_numpy(((u + 1) * 128).astype("int64")).reshape(1, 3, height, width)


def kept(outputs):
    """Outputs as the tests read them: shape and little-endian float32."""
    return {name: [list(x.shape), base64.b64encode(x.contiguous().numpy().astype("<f4").tobytes()).decode()]
            for name, x in outputs.items()}


def write(name, rules, cases):
    path = os.path.join(OUT, name + ".json")
    with open(path, "w") as f:
        f.write('{"rules": [\n' + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rules))
        f.write('],\n"cases": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]}\n")
    print(path, os.path.getsize(path), "bytes")


def golden_trufor():
    w = network.made(trufor.fill, trufor.SMALL)
    net, cases = trufor.TruFor(w.tensors, trufor.SMALL), []
    for height, width in (64, 64), (61, 87), (45, 33):
        out = net(levels(height, width).float() / 256)
        cases.append({"height": height, "width": width, "outputs": kept({
            "logits": out["logits"], "confidence": out["confidence logits"], "score": out["score"]})})
        print({name: (float(x.min()), float(x.max())) for name, x in out.items()})
    write("trufor", w.rules, cases)


if __name__ == "__main__":
    torch.set_num_threads(2)
    with torch.inference_mode():
        golden_trufor()
