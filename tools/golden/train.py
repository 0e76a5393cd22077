#!/usr/bin/python3
"""Writes PyTorch's training steps to internal/train/testdata: steps.json, of the tests' own tiny network,
and decoders.json, of the published decoders on a small transformer's tokens.

The tiny network: conv 3x3 stride 2, batch norm, ReLU, conv 3x3 stride 2. The loss is the mean binary cross-entropy with
logits, over cells or, in detection, of the map's mean against the picture's label. Needs PyTorch; the tests only need what
it writes.
"""
import json
import pathlib

import numpy as np
import torch

import network as published

STEPS = 20
TOKENS, CHANNELS = 1 + 4 * 4, 128  # of the decoders' features
KEPT = 24  # values of a tensor in the file
STEADY = 2e-5  # largest change by rounding of a value that counts as determined


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


def features():
    values = published.uniform("features", 2 * TOKENS * CHANNELS).astype(np.float32)
    return torch.from_numpy(values.reshape(2, TOKENS, CHANNELS))


def discs():
    """Masks [2, 1, 256, 256] with a disc each."""
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    return torch.stack([((x - 90 - 60 * i) ** 2 + (y - 128) ** 2 < 70**2)[None].float() for i in range(2)])


def decode(kind, w, tokens):
    """The decoder's logits; the first call makes its weights."""
    if kind == "linear":
        return published.linear_on_tokens(w, "", tokens)
    if kind == "attention":
        return published.attention(w, "", tokens)
    return published.conv_decoder(w, "", published.to_map(tokens), int(kind[len("conv-"):]), "layer0", False)


def follow(kind, detection, dtype=torch.float32, nudge=0):
    """Trains a decoder: its rules, losses, final values by name, and norms' statistics after the first step. With a nudge
    the initial weights are off by a few roundings."""
    w, tokens = published.Weights(), features()
    decode(kind, w, tokens)
    torch.manual_seed(nudge)
    for name, t in w.tensors.items():
        w.tensors[name] = (t * (1 + (1e-7 * torch.randn_like(t) if nudge else 0))).to(dtype)
    tokens, target = tokens.to(dtype), discs().to(dtype)
    if hasattr(w, "decoder"):
        net = w.decoder.to(dtype).train()
        net.load_state_dict({k: w.tensors.get(f"fc.{k}", v) for k, v in net.state_dict().items()})
        trained, values = list(net.parameters()), {f"fc.{k}": v for k, v in net.state_dict().items()}
    else:
        trained, values = [t.requires_grad_() for t in w.tensors.values()], w.tensors
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0)
    losses, first = [], None
    for _ in range(STEPS):
        if kind == "attention":  # its mask is made in the default type
            torch.set_default_dtype(dtype)
        logits = decode(kind, w, tokens)
        torch.set_default_dtype(torch.float32)
        wanted = target
        if detection:
            logits, wanted = logits.mean((2, 3)), torch.tensor([[1.0], [0.0]], dtype=dtype)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
        first = first or {name: rounded(values[name]) for name in values if ".running_" in name}
    return w.rules, losses, {rule[0]: values[rule[0]].detach().double().flatten() for rule in w.rules}, first


def decoder(kind, detection=False):
    """A case of decoders.json. It has only values that do not depend on rounding, because AdamW divides by the root of tiny
    gradients. A bias before a norm changes by rounding only, and with it the norm's running mean from the second step on."""
    rules, losses, end, first = follow(kind, detection)
    others = [follow(kind, detection, torch.float64)] + [follow(kind, detection, nudge=i) for i in (1, 2, 3)]
    kept, steady, count = {}, 0, 0
    for name, values in end.items():
        off = torch.stack([(o[2][name] - values).abs() for o in others]).amax(0)
        places = (off <= STEADY).nonzero().flatten()
        steady, count = steady + len(places), count + len(values)
        places = places[torch.linspace(0, len(places) - 1, min(KEPT, len(places))).long()].tolist()
        kept[name] = [places, [float(f"{values[i]:.9g}") for i in places]]
    drift = max(abs(a - b) / a for o in others for a, b in zip(losses, o[1]))
    empty = [name for name, (places, _) in kept.items() if not places]
    print(f"{kind} {'detection' if detection else ''}: loss {losses[0]:.4f} to {losses[-1]:.4f}, by rounding {drift:.1e}; "
          f"{steady} of {count} values determined, none of {empty}")
    return {"decoder": kind, "detection": detection, "rules": rules, "losses": losses, "drift": drift, "end": kept, "first": first}


if __name__ == "__main__":
    folder = pathlib.Path(__file__).parent.parent.parent / "internal/train/testdata"
    folder.mkdir(exist_ok=True)
    (folder / "steps.json").write_text(json.dumps([train("adamw", 0), train("sgd", 0.05)]) + "\n")
    cases = [decoder("linear"), decoder("attention"), decoder("conv-4"), decoder("linear", True), decoder("conv-4", True)]
    (folder / "decoders.json").write_text(json.dumps(cases) + "\n")
