#!/usr/bin/env python3
"""Small files of every format that internal/nn/weights reads, and what is in them.

    /usr/bin/python3 tools/golden/weights.py internal/nn/weights/testdata

Needs PyTorch. golden.json lists for each file its format, its metadata and its
tensors: type, shape, whether they are row-major in the file, and their contents
in row-major order. The expectations come from the tensors themselves, before
they are written.
"""
import base64
import collections
import json
import os
import sys

import torch
from torch import nn

DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}
# Classes of which only the name is read, by the name in the pickle; weights_field.py fills it.
OPAQUE = {}
LEGACY = {"_use_new_zipfile_serialization": False}


def contents(tensor):
    """The tensor's bytes in row-major order."""
    flat = tensor.detach().contiguous().view(-1)
    if flat.numel() == 0:
        return b""
    if flat.dtype == torch.bfloat16:
        flat = flat.view(torch.int16)
    return flat.numpy().tobytes()


def describe(tensor):
    return {
        "dtype": DTYPES[tensor.dtype],
        "shape": list(tensor.shape),
        "row_major": tensor.is_contiguous(),
        "data": base64.b64encode(contents(tensor)).decode(),
    }


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def flatten(value, name=""):
    """Tensors and scalars of nested containers by dotted name."""
    tensors, scalars = {}, {}
    if isinstance(value, dict):
        items, named = value.items(), True
    else:
        items, named = enumerate(value), False
    for key, item in items:
        full = f"{name}.{key}" if name else str(key)
        if isinstance(item, torch.Tensor):
            tensors[full] = describe(item)
        elif isinstance(item, (dict, list, tuple)):
            inside = flatten(item, full)
            tensors.update(inside[0])
            scalars.update(inside[1])
        elif named and isinstance(item, tuple(OPAQUE)):
            scalars[full] = f"({OPAQUE[type(item)]}, not read)"
        elif named and isinstance(item, (str, int, float)):
            scalars[full] = text(item)
    return tensors, scalars


class Block(nn.Module):
    """A transformer block, as in CLIP."""

    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(4, 2)
        self.ln_1 = nn.LayerNorm(4)
        self.mlp = nn.Sequential(collections.OrderedDict([("c_fc", nn.Linear(4, 8)), ("c_proj", nn.Linear(8, 4))]))

    def forward(self, x):
        x = self.ln_1(x)
        return x + self.mlp(x)


class Visual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 2, stride=2, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(4))
        self.positional_embedding = nn.Parameter(torch.randn(5, 4))
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.Sequential(Block(), Block())
        self.proj = nn.Parameter(torch.randn(4, 2))

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2) + self.positional_embedding[1:] + self.class_embedding
        for block in self.transformer.resblocks:
            x = block(x)
        return x @ self.proj


class Clip(nn.Module):
    """Modules nested as in CLIP, with its mix of widths and its loose attributes."""

    def __init__(self):
        super().__init__()
        self.visual = Visual()
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))
        self.register_buffer("input_resolution", torch.tensor(4))
        self.visual.conv1.half()
        for block in self.visual.transformer.resblocks:
            block.mlp.half()

    def forward(self, x):
        return self.logit_scale * self.visual.float()(x)


class Scripted(nn.Module):
    """Attributes of every kind that TorchScript writes in a special way."""

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(2)
        self.width, self.rate, self.name, self.fast = 7, 0.5, "tiny", True
        self.sizes, self.rates, self.flags = [1, 2], [0.5], [True]
        self.table = {"a": torch.tensor([1.0, 2.0])}
        self.tensors = [torch.tensor([3], dtype=torch.int32), torch.tensor([[True, False]])]
        self.pair = (torch.tensor([4.0]), 1)

    def forward(self, x):
        return self.bn(x) + self.table["a"][0] + self.tensors[0] + self.pair[0]


def checkpoint():
    """Like the published DeCLIP checkpoints, after one step of AdamW."""
    model = nn.Module()
    model.model = nn.Module()
    model.model.visual = Visual()
    model.fc = nn.Sequential(nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 1, 3))
    optimizer = torch.optim.AdamW(model.fc.parameters(), lr=1e-3)
    model.fc(torch.randn(2, 4, 6, 6)).mean().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "total_steps": 5,
        "feature_layer": "layer20",
        "decoder_type": "conv-20",
    }


def types():
    """Every type of numbers, no numbers, one number, none along one dimension."""
    out = collections.OrderedDict((name, (torch.randn(2, 3) * 3).to(dtype)) for dtype, name in DTYPES.items())
    out["scalar"] = torch.tensor(-1.5)
    out["empty"] = torch.zeros(0)
    out["none.of.three"] = torch.zeros(3, 0, 2, dtype=torch.int16)
    out["limits"] = torch.tensor([-2**63, 2**63 - 1])
    out["special"] = torch.tensor([float("inf"), float("-inf"), 1e-40, -0.0])
    return out


def views():
    """Tensors that share storages, and that are not row-major."""
    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    half = torch.randn(6, 7).half()
    last = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    return {
        "base": base,
        "rows": base[1:3],
        "transposed": base.transpose(0, 2),
        "column": base[:, :, 2],
        "every_other": base[::2, 1::2, ::3],
        "one": base[2, 3, 4],
        "expanded": base[0, 0, :2].reshape(2, 1).expand(2, 3),
        "repeated": torch.tensor(9).expand(4),
        "half_t": half.t(),
        "half_part": half[2:4, 3:],
        "channels_last": last,
        "bytes": torch.arange(24, dtype=torch.uint8).reshape(4, 6).t()[1:4],
        "nothing": base[3:],
    }


def nested():
    """Parameters, lists, tuples, odd keys, and scalars of every kind."""
    shared = nn.Parameter(torch.randn(3), requires_grad=False)
    return collections.OrderedDict([
        ("weight", nn.Parameter(torch.randn(2, 2))),
        ("tied", {"a": shared, "b": shared}),
        ("list", [torch.ones(1), {"x": torch.zeros(2), "lr": 0.125}, (torch.tensor(5),)]),
        (3, {"-1": torch.ones(2, dtype=torch.bool), "": torch.ones(1)}),
        ("size", torch.randn(4).size()),
        ("none", None), ("yes", True), ("no", False), ("negative", -3), ("wide", 70000), ("huge", 2**70), ("low", -2**65),
        ("tiny", 1e-300), ("text", "gr\u00fc\u00dfe \u2713"), ("empty", {}),
    ])


def main(folder):
    torch.manual_seed(3)
    golden = {}

    def note(name, form, tensors, metadata):
        golden[name] = {"format": form, "metadata": metadata, "tensors": tensors}

    for name, value in {"checkpoint": checkpoint(), "types": types(), "views": views(), "nested": nested()}.items():
        for suffix, form, options in ((".pth", "pytorch", {}), (".legacy.pth", "pytorch-legacy", LEGACY)):
            torch.save(value, os.path.join(folder, name + suffix), **options)
            note(name + suffix, form, *flatten(value))
    for protocol in (3, 4, 5):
        value = {"a": {"weight": torch.randn(2), "b" * 300: 1}}
        torch.save(value, os.path.join(folder, f"protocol{protocol}.pth"), pickle_protocol=protocol)
        note(f"protocol{protocol}.pth", "pytorch", *flatten(value))
        torch.save(value, os.path.join(folder, f"protocol{protocol}.legacy.pth"), pickle_protocol=protocol, **LEGACY)
        note(f"protocol{protocol}.legacy.pth", "pytorch-legacy", *flatten(value))

    clip = Clip().eval()
    state = {k: v.clone() for k, v in clip.state_dict().items()}
    traced = torch.jit.trace(Clip().eval().float(), torch.randn(1, 3, 4, 4))
    traced.load_state_dict(state)
    for name, p in traced.named_parameters():
        p.data = state[name]
    traced.save(os.path.join(folder, "clip.pt"))
    note("clip.pt", "torchscript", flatten(state)[0], {})

    scripted = Scripted().eval()
    torch.jit.script(scripted).save(os.path.join(folder, "scripted.pt"))
    extra = {"table": scripted.table, "tensors": scripted.tensors, "pair": scripted.pair}
    note("scripted.pt", "torchscript", {**flatten(scripted.state_dict())[0], **flatten(extra)[0]},
         {"width": "7", "rate": "0.5", "name": "tiny", "fast": "true"})

    with open(os.path.join(folder, "golden.json"), "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
