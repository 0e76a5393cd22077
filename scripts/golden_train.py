#!/usr/bin/python3
"""Writes internal/train/testdata/steps.json: training steps of a tiny network as PyTorch takes them.

The network is that of the tests: conv 3x3 stride 2, batch norm, ReLU, conv 3x3 stride 2; the loss is the mean
binary cross-entropy with logits. Needs PyTorch; the tests only need what it writes.
"""
import json
import pathlib

import torch

STEPS = 20


def rounded(tensor):
    return [float(f"{v:.9g}") for v in tensor.detach().flatten().tolist()]


def network():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 1, 3, stride=2, padding=1),
    )


def train(optimizer, clip):
    torch.manual_seed(1)
    net = network()
    images, target = torch.randn(2, 3, 16, 16), torch.rand(2, 1, 4, 4)
    names = {"0.weight": "conv1.weight", "3.weight": "conv2.weight", "3.bias": "conv2.bias"}
    names |= {f"1.{k}": f"bn.{k}" for k in ("weight", "bias", "running_mean", "running_var")}

    def params():
        return {names[k]: rounded(v) for k, v in net.state_dict().items() if k in names}

    start = params()
    if optimizer == "adamw":
        steps = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1)
    else:
        steps = torch.optim.SGD(net.parameters(), lr=0.1)
    losses, norms = [], []
    for _ in range(STEPS):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(images), target)
        steps.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(net.parameters(), clip or 1e9)))
        steps.step()
        losses.append(float(loss))
    return {
        "optimizer": optimizer, "clip": clip, "images": rounded(images), "target": rounded(target),
        "start": start, "losses": losses, "norms": norms, "end": params(),
    }


if __name__ == "__main__":
    path = pathlib.Path(__file__).parent.parent / "internal/train/testdata/steps.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([train("adamw", 0), train("sgd", 0.05)]) + "\n")
