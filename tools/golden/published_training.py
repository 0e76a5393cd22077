#!/usr/bin/python3
"""Writes internal/train/testdata/published.json: PyTorch's training steps of small copies of CAT-Net and PSCC-Net.

Weights and inputs are made by the rule of network.py. The losses are written here with PyTorch's functions, from what
docs/train.md says about them. Needs Debian's python3-torch; the tests themselves don't.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

import catnet_torch
import network
import pscc

BATCH = 2
# PSCC-Net's masks have 256 x 256 places, however small the picture: its steps take long.
STEPS = {"cat-net": 20, "cat-net-dct": 20, "pscc-net": 5}
# Gradient descent at a rate at which rounding does not grow much.
RATES = {"cat-net": 0.0005, "cat-net-dct": 0.002, "pscc-net": 0.0001}
CATNET = {
    "stem": 6, "inner": 4, "outer": 8, "bottlenecks": 1, "blocks": 1, "widths": [4, 5, 6, 7], "modules": [1, 1, 1],
    "dct": [6, 2], "dct_widths": [5, 6, 7], "dct_modules": [1, 1], "dct_blocks": 1, "joined": [3, 4, 5, 6],
}
PSCC = pscc.Sizes(stem=6, layer1=1, widths=[3, 4, 5, 6], blocks=1, cuts=[8, 4, 2, 1], inner=4, final=8, classes=5)


def values(name, *shape):
    return torch.from_numpy(network.uniform(name, int(np.prod(shape))).astype(np.float32).reshape(shape))


def discs(side):
    """Masks [BATCH, 1, side, side] with a disc each."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    place = lambda i: ((x / side - 0.35 - 0.2 * i) ** 2 + (y / side - 0.5) ** 2 < 0.06)[None].float()
    return torch.stack([place(i) for i in range(BATCH)])


class CATNet(catnet_torch.Tensors):
    """CAT-Net in training: norms use the batch's statistics and update the running ones."""

    def __init__(self, pixels, dtype):
        super().__init__()
        self.pixels, self.rules, self.dtype = pixels, [], dtype

    def get_tensor(self, name, shape, scale, offset=0.0):
        if name not in self:
            self.rules.append([name, list(shape), scale, offset])
            self[name] = super().get_tensor(name, shape, scale, offset).to(self.dtype)
        return self[name]

    def conv(self, x, *arguments, **options):
        return super().conv(x.to(self.dtype), *arguments, **options)

    def norm(self, x, name):
        super().norm(x[:, :, :1, :1].detach(), name)  # declares the tensors
        at = lambda part: self[f"{name}.{part}"]
        return F.batch_norm(x, at("running_mean"), at("running_var"), at("weight"), at("bias"), True, 0.1, 1e-5)

    def loss(self):
        side = 64
        image = values("image", BATCH, 3, side, side).to(self.dtype)
        coefficients = torch.round(30 * values("coefficients", BATCH, side, side) ** 3).to(self.dtype)
        steps = (1 + torch.round((30 * values("steps", BATCH, 8, 8)).abs())).to(self.dtype)
        xs = catnet_torch.dct_stream(self, coefficients, steps, CATNET)
        if self.pixels:
            ps = self.hrnet(image, CATNET, 2, False)
            xs = ps[:1] + [torch.cat(pair, 1) for pair in zip(ps[1:], xs)]
            xs = [F.relu(self.unit(x, f"transition4.{i}.0", f"transition4.{i}.1", w)) for i, (x, w) in enumerate(zip(xs, CATNET["joined"]))]
            xs = self.stage(xs, "stage5", CATNET["joined"], 1, CATNET["blocks"])
        logs = F.log_softmax(catnet_torch.last_layer(self, xs), 1)
        t = discs(logs.shape[2])[:, 0].to(self.dtype)
        return -(5 * t * logs[:, 1] + (1 - t) * logs[:, 0]).mean()


class PSCCNet(pscc.PSCC):
    def __init__(self, dtype):
        w = network.Weights()
        for fill in pscc.FILES.values():
            fill(w, PSCC)
        self.rules, self.dtype, self.logits = w.rules, dtype, {}
        super().__init__({name: x.to(dtype) for name, x in w.tensors.items()}, PSCC)

    def unit(self, x, conv, norm, **options):
        at = lambda part: self.t[f"{norm}.{part}"]
        x = self.conv(x, conv, **options)
        return F.batch_norm(x, at("running_mean"), at("running_var"), at("weight"), at("bias"), True, 0.1, 1e-5)

    def mask(self, s, k):
        self.logits[k] = self.mask_logits(s, k)
        return torch.sigmoid(self.logits[k])

    def detection(self, maps):
        self.classes = super().detection(maps)
        return self.classes

    def loss(self):
        self(0.5 + 0.5 * values("image", BATCH, 3, 32, 32).to(self.dtype))
        t = discs(256).to(self.dtype)
        t[1] = 0  # one picture is untouched
        loss = F.cross_entropy(self.classes, torch.tensor([1, 0]))
        for k in 1, 2, 3, 4:
            z = self.logits[k]
            loss = loss + (F.binary_cross_entropy_with_logits(z, torch.ones_like(z), t, reduction="sum") / t.sum()
                           + F.binary_cross_entropy_with_logits(z, torch.zeros_like(z), 1 - t, reduction="sum") / (1 - t).sum()) / 2
            t = F.avg_pool2d(t, 2)
        return loss


def follow(make, steps, rate, dtype, nudge=0):
    """The rules, losses, and tensors by name after all steps. With a nudge the initial weights are off by roundings."""
    net = make(dtype)
    if not net.rules:
        net.loss()  # its tensors are made where they are first needed
    rules, net = net.rules, make(dtype)
    tensors = net if isinstance(net, dict) else net.t
    torch.manual_seed(nudge)
    for name, shape, scale, offset in rules:
        x = values(name, *shape).double() * scale + offset
        x = x.float().to(dtype)
        tensors[name] = x * (1 + (1e-7 * torch.randn_like(x) if nudge else 0))
    trained = [tensors[name].requires_grad_() for name, *_ in rules if ".running_" not in name]
    optimizer, losses = torch.optim.SGD(trained, lr=rate), []
    for _ in range(steps):
        loss = net.loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return rules, losses, {name: tensors[name].detach().double().flatten() for name, *_ in rules}


def case(arch, make):
    rate, steps = RATES[arch], STEPS[arch]
    rules, losses, end = follow(make, steps, rate, torch.float32)
    others = []
    if arch != "pscc-net":
        others = [follow(make, steps, rate, torch.float32, 1), follow(make, steps, rate, torch.float64)]
    drift = max(abs(a - b) / a for o in others for a, b in zip(losses, o[1])) if others else 0.0
    far = max(float((o[2][name] - v).abs().max()) for o in others for name, v in end.items()) if others else 0.0
    print(f"{arch}: loss {losses[0]:.4f} to {losses[-1]:.4f}, by rounding {drift:.1e}, values {far:.1e}")
    kept = {name: [float(f"{float(v[i]):.9g}") for i in (0, len(v) // 2, len(v) - 1)] for name, v in end.items()}
    return {"arch": arch, "rate": rate, "rules": rules, "losses": losses, "drift": drift, "far": far, "end": kept}


MAKE = {"cat-net": lambda dtype: CATNet(True, dtype), "cat-net-dct": lambda dtype: CATNet(False, dtype), "pscc-net": PSCCNet}

if __name__ == "__main__":
    path = pathlib.Path(__file__).parent.parent.parent / "internal/train/testdata/published.json"
    cases = {c["arch"]: c for c in json.loads(path.read_text())} if path.exists() else {}
    for arch in sys.argv[1:] or MAKE:  # others keep what they have
        cases[arch] = case(arch, MAKE[arch])
    with open(path, "w") as f:
        f.write("[" + ",\n".join(json.dumps(cases[arch], separators=(",", ":")) for arch in MAKE if arch in cases) + "]\n")
    print(path, path.stat().st_size, "bytes")
