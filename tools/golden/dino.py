#!/usr/bin/python3
"""DINOv2, DINOv3 and DINOv3-IML on PyTorch's own functions, written from their description, without code of declip.

Run as a program it writes internal/nn/network/testdata/dino.json: the features and maps of tiny networks. Weights are made
by the rule of network.py for Meta's names; "files" says how the tensors of each naming are made of them.

Needs Debian's python3-torch; the tests themselves don't.
"""
import base64
import json
import math
import os

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    import network as tiny
except ImportError:
    torch = None

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "internal", "nn", "network", "testdata", "dino.json")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Config:
    """The sizes of a network; grid is 0 for DINOv3."""

    def __init__(self, version, width, blocks, patch, registers=0, grid=0, hidden=0, gated=False, mask=False):
        self.version, self.width, self.blocks, self.patch, self.registers = version, width, blocks, patch, registers
        self.grid, self.hidden, self.gated, self.mask = grid, hidden or 4 * width, gated, mask
        self.eps = 1e-6 if version == 2 else 1e-5


def fill(w, c, prefix=""):
    """Adds the tensors of a network in Meta's naming to w, which has the methods of network.Weights."""
    d = c.width
    w.layer(prefix + "patch_embed.proj", d, 3, c.patch, c.patch)
    w.add(prefix + "cls_token", [1, 1, d], 0.5)
    w.add(prefix + "mask_token", [1, d], 0.5)
    if c.registers:
        w.add(prefix + ("register_tokens" if c.version == 2 else "storage_tokens"), [1, c.registers, d], 0.5)
    if c.version == 2:
        w.add(prefix + "pos_embed", [1, c.grid**2 + 1, d], 0.5)
    for i in range(c.blocks):
        at = f"{prefix}blocks.{i}."
        w.norm(at + "norm1", d, False)
        w.norm(at + "norm2", d, False)
        w.add(at + "attn.qkv.weight", [3 * d, d], 1.5 * (3 / d) ** 0.5)
        w.add(at + "attn.qkv.bias", [3 * d], 0.1)
        w.layer(at + "attn.proj", d, d)
        w.add(at + "ls1.gamma", [d], 0.3, 0.6)
        w.add(at + "ls2.gamma", [d], 0.3, 0.6)
        if not c.gated:
            w.layer(at + "mlp.fc1", c.hidden, d)
            w.layer(at + "mlp.fc2", d, c.hidden)
        elif c.version == 2:
            w.layer(at + "mlp.w12", 2 * c.hidden, d)
            w.layer(at + "mlp.w3", d, c.hidden)
        else:
            w.layer(at + "mlp.w1", c.hidden, d)
            w.layer(at + "mlp.w2", c.hidden, d)
            w.layer(at + "mlp.w3", d, c.hidden)
    w.norm(prefix + "norm", d, False)


def periods():
    """The 16 periods for heads of 64 channels, rounded to bfloat16."""
    exact = 100.0 ** (2 * torch.arange(16, dtype=torch.float32) / 32)
    return exact.bfloat16().float()


def bias_mask(width):
    """Later versions of the training code mask the keys' third."""
    mask = torch.ones(3 * width)
    mask[width:2 * width] = 0
    return mask


def positions(c, pos, image):
    """DINOv2's positions [1, 1 + h w, C] for an image, as Meta's code resamples them."""
    h, w = image.shape[2] // c.patch, image.shape[3] // c.patch
    if h * w == c.grid**2 and image.shape[2] == image.shape[3]:
        return pos
    square = pos[:, 1:].reshape(1, c.grid, c.grid, -1).permute(0, 3, 1, 2)
    if c.registers:
        square = F.interpolate(square, size=(h, w), mode="bicubic", antialias=True)
    else:
        square = F.interpolate(square, scale_factor=((h + 0.1) / c.grid, (w + 0.1) / c.grid), mode="bicubic")
    assert square.shape[2:] == (h, w)
    return torch.cat([pos[:, :1], square.permute(0, 2, 3, 1).reshape(1, h * w, -1)], 1)


def turn(x, sin, cos):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def angles(h, w):
    y = 2 * (torch.arange(h) + 0.5) / h - 1
    x = 2 * (torch.arange(w) + 0.5) / w - 1
    places = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    a = 2 * math.pi * places[:, :, None] / periods()[None, None, :]
    a = a.flatten(1)
    return torch.cat([a, a], -1)


def tokens(t, c, image):
    """Class token, registers and patches before the first block."""
    x = F.conv2d(image, t["patch_embed.proj.weight"], t["patch_embed.proj.bias"], stride=c.patch).flatten(2).transpose(1, 2)
    n = len(x)
    first = t["cls_token"].expand(n, -1, -1)
    if c.version == 2:
        x = torch.cat([first, x], 1) + positions(c, t["pos_embed"], image)
        if c.registers:
            x = torch.cat([x[:, :1], t["register_tokens"].expand(n, -1, -1), x[:, 1:]], 1)
        return x
    parts = [first] + ([t["storage_tokens"].expand(n, -1, -1)] if c.registers else []) + [x]
    return torch.cat(parts, 1)


def qkv(t, at, x, c, lora):
    weight, bias = t[at + "attn.qkv.weight"], t[at + "attn.qkv.bias"]
    if c.mask:
        bias = bias * bias_mask(c.width)
    y = F.linear(x, weight, bias)
    if lora:
        scale, named = lora
        y = y + scale * F.linear(F.linear(x, named[at + "attn.qkv.lora_A.default.weight"]), named[at + "attn.qkv.lora_B.default.weight"])
    return y


def attention(t, at, x, c, turned, lora):
    n, count, d = x.shape
    q, k, v = qkv(t, at, x, c, lora).reshape(n, count, 3, d // 64, 64).permute(2, 0, 3, 1, 4)
    if turned is not None:
        before = count - turned.shape[0]
        sin, cos = turned.sin(), turned.cos()
        q = torch.cat([q[:, :, :before], turn(q[:, :, before:], sin, cos)], 2)
        k = torch.cat([k[:, :, :before], turn(k[:, :, before:], sin, cos)], 2)
    y = torch.softmax(q @ k.transpose(-2, -1) / 8, -1) @ v
    return F.linear(y.transpose(1, 2).reshape(n, count, d), t[at + "attn.proj.weight"], t[at + "attn.proj.bias"])


def perceptron(t, at, x, c):
    lin = lambda name, y: F.linear(y, t[f"{at}mlp.{name}.weight"], t[f"{at}mlp.{name}.bias"])
    if not c.gated:
        return lin("fc2", F.gelu(lin("fc1", x)))
    if c.version == 2:
        gate, value = lin("w12", x).chunk(2, -1)
        return lin("w3", F.silu(gate) * value)
    return lin("w3", F.silu(lin("w1", x)) * lin("w2", x))


def norm(t, name, x, c):
    return F.layer_norm(x, [c.width], t[name + ".weight"], t[name + ".bias"], c.eps)


def features(t, c, image, layers, lora=None):
    """Tokens after the named layers: "layer3", or "layer3-norm" with the final norm."""
    turned = angles(image.shape[2] // c.patch, image.shape[3] // c.patch) if c.version == 3 else None
    x = tokens(t, c, image)
    out = {}
    for i in range(c.blocks):
        at = f"blocks.{i}."
        x = x + t[at + "ls1.gamma"] * attention(t, at, norm(t, at + "norm1", x, c), c, turned, lora)
        x = x + t[at + "ls2.gamma"] * perceptron(t, at, norm(t, at + "norm2", x, c), c)
        if f"layer{i}" in layers:
            out[f"layer{i}"] = x
        if f"layer{i}-norm" in layers:
            out[f"layer{i}-norm"] = norm(t, "norm", x, c)
    return out


def fill_head(w, width, prefix="seg_head."):
    """DINOv3-IML's head."""
    for i, (out, fan) in enumerate([(width // 2, width), (width // 4, width // 2)]):
        w.layer(f"{prefix}{3 * i}", out, fan, 3, 3, gain=1.4)
        w.norm(f"{prefix}{3 * i + 1}", out)
    w.layer(prefix + "6", 1, width // 4, 1, 1, gain=2)


def head(t, x, prefix="seg_head."):
    """Logits [N, 1, h, w] of a map [N, C, h, w]."""
    for i in (0, 3):
        x = F.conv2d(x, t[f"{prefix}{i}.weight"], t[f"{prefix}{i}.bias"], padding=1)
        at = f"{prefix}{i + 1}."
        x = F.relu(F.batch_norm(x, t[at + "running_mean"], t[at + "running_var"], t[at + "weight"], t[at + "bias"], False, 0.1, 1e-5))
    return F.conv2d(x, t[prefix + "6.weight"], t[prefix + "6.bias"])


def to_map(x, c, h, w):
    return x[:, 1 + c.registers:].transpose(1, 2).reshape(len(x), -1, h, w)


def logits(t, c, image, lora=None):
    """DINOv3-IML's logits at the size of the image."""
    last = f"layer{c.blocks - 1}-norm"
    h, w = image.shape[2] // c.patch, image.shape[3] // c.patch
    x = head(t, to_map(features(t, c, image, [last], lora)[last], c, h, w))
    return F.interpolate(x, image.shape[2:], mode="bilinear", align_corners=False)


# Namings. Each tensor of a file is [name, how, sources], where how is "copy", "rows i n" (the i-th of n shares of the rows),
# "join" (one below the other), "skip 1" (without the first of dimension 1), "first 1" (the first of dimension 1) or "add".

def meta_naming(c, mask):
    list_ = []
    w = Names()
    fill(w, c)
    for name in w.names:
        list_.append([name, "copy", [name]])
    if c.version == 3:
        list_.append(["rope_embed.periods", "periods", []])
        if mask:
            list_ += [[f"blocks.{i}.attn.qkv.bias_mask", "mask", []] for i in range(c.blocks)]
    return list_


class Names:
    """Collects names in place of weights."""

    def __init__(self):
        self.names = []

    def add(self, name, *_):
        self.names.append(name)

    def layer(self, name, *_, **__):
        self.names += [name + ".weight", name + ".bias"]

    def norm(self, name, *_):
        self.names += [name + ".weight", name + ".bias"]


def hugging_face(c):
    v2 = c.version == 2
    block = "encoder.layer." if v2 else "layer."
    inner = {"norm1": "norm1", "norm2": "norm2", "attn.proj": "attention.output.dense" if v2 else "attention.o_proj"}
    if v2:
        inner.update({"mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2", "mlp.w12": "mlp.weights_in", "mlp.w3": "mlp.weights_out"})
    elif c.gated:
        inner.update({"mlp.w1": "mlp.gate_proj", "mlp.w2": "mlp.up_proj", "mlp.w3": "mlp.down_proj"})
    else:
        inner.update({"mlp.fc1": "mlp.up_proj", "mlp.fc2": "mlp.down_proj"})
    outer = {"cls_token": "embeddings.cls_token", "mask_token": "embeddings.mask_token", "register_tokens": "embeddings.register_tokens",
             "storage_tokens": "embeddings.register_tokens", "pos_embed": "embeddings.position_embeddings",
             "norm.weight": "layernorm.weight" if v2 else "norm.weight", "norm.bias": "layernorm.bias" if v2 else "norm.bias"}
    patch = "embeddings.patch_embeddings." + ("projection." if v2 else "")
    out = []
    for name, _, _ in meta_naming(c, False):
        if name == "rope_embed.periods":
            continue
        if name.startswith("patch_embed.proj."):
            out.append([patch + name.rsplit(".", 1)[1], "copy", [name]])
        elif not name.startswith("blocks."):
            out.append([outer[name], "copy", [name]])
        else:
            _, i, rest = name.split(".", 2)
            module, value = rest.rsplit(".", 1)
            if module == "attn.qkv":
                for k, which in enumerate(["query", "key", "value"] if v2 else ["q_proj", "k_proj", "v_proj"]):
                    if value == "bias" and not v2 and k == 1:
                        continue  # there is no bias of keys
                    out.append([f"{block}{i}.attention.{'attention.' if v2 else ''}{which}.{value}", f"rows {k} 3", [name]])
            elif module in ("ls1", "ls2"):
                out.append([f"{block}{i}.layer_scale{module[2]}.lambda1", "copy", [name]])
            else:
                out.append([f"{block}{i}.{inner[module]}.{value}", "copy", [name]])
    return out


def timm(c):
    out = []
    for name, _, _ in meta_naming(c, False):
        if name in ("mask_token", "rope_embed.periods"):
            continue
        if c.version == 2 and c.registers and name == "cls_token":
            out.append([name, "add", ["cls_token", "pos_embed"]])
        elif c.version == 2 and c.registers and name == "pos_embed":
            out.append([name, "skip 1", [name]])
        elif name in ("storage_tokens", "register_tokens"):
            out.append(["reg_token", "copy", [name]])
        elif c.version == 3 and name.endswith("attn.qkv.bias"):
            at = name[:-len("qkv.bias")]
            out += [[at + "q_bias", "rows 0 3", [name]], [at + "v_bias", "rows 2 3", [name]]]
        else:
            renamed = name
            if c.version == 3:
                renamed = renamed.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2")
                renamed = renamed.replace("mlp.w1.", "mlp.fc1_g.").replace("mlp.w2.", "mlp.fc1_x.")
            renamed = renamed.replace("mlp.w12.", "mlp.fc1.").replace("mlp.w3.", "mlp.fc2.")
            out.append([renamed, "copy", [name]])
    return out


def made(entry, tensors, c):
    """A tensor of a file."""
    _, how, sources = entry
    if how == "periods":
        return periods().bfloat16()
    if how == "mask":
        return bias_mask(c.width)
    t = tensors[sources[0]]
    word = how.split()
    if word[0] == "rows":
        return t.chunk(int(word[2]), 0)[int(word[1])].contiguous()
    if word[0] == "skip":
        return t[:, 1:].contiguous()
    if word[0] == "add":
        return t + tensors[sources[1]][:, :1]
    return t


NAMINGS = {"meta": lambda c: meta_naming(c, c.mask), "huggingface": hugging_face, "timm": timm}

TINY = {
    "dinov2": Config(2, 128, 2, 14, grid=4),
    "dinov2 registers": Config(2, 128, 2, 14, registers=4, grid=4),
    "dinov2 swiglu": Config(2, 128, 2, 14, registers=4, grid=4, hidden=344, gated=True),
    "dinov3": Config(3, 128, 2, 16, registers=4, mask=True),
    "dinov3 swiglu": Config(3, 128, 2, 16, registers=4, hidden=512, gated=True, mask=True),
}
SIZES = {2: [(56, 56), (42, 84)], 3: [(64, 64), (48, 80)]}
LAYERS = ["layer0", "layer1-norm"]
STRIDE = 7  # every 7th value is kept


def picture(h, w):
    """Levels in [0,1], [2, 3, h, w]."""
    return (torch.from_numpy(tiny.uniform(f"picture {h} {w}", 2 * 3 * h * w)).float().reshape(2, 3, h, w) + 1) / 2


def normalised(levels):
    shape = (1, 3, 1, 1)
    return (levels - torch.tensor(MEAN).reshape(shape)) / torch.tensor(STD).reshape(shape)


def stored(t):
    values = t.detach().contiguous().reshape(-1)[::STRIDE].numpy().astype("<f4")
    return [list(t.shape), base64.b64encode(values.tobytes()).decode()]


def lora_of(w, c, rank):
    """Adapters that move queries and keys by about their own size, at any width and rank. Larger ones make attention choose
    single tokens, so that rounding decides maps: with 0.1 and 0.2 at ViT-L and rank 32, PyTorch's float32 differs from its
    float64 by 0.006 in probability."""
    named = {}
    scale_a, scale_b = 0.1 * min(1, 128 / c.width) ** 0.5, 0.2 * min(1, 4 / rank) ** 0.5
    for i in range(c.blocks):
        for side, shape, scale in [("A", [rank, c.width], scale_a), ("B", [3 * c.width, rank], scale_b)]:
            name = f"blocks.{i}.attn.qkv.lora_{side}.default.weight"
            w.add(name, shape, scale)
            named[name] = w.tensors[name]
    return named


def main():
    cases = []
    for name, c in TINY.items():
        w = tiny.Weights()
        fill(w, c)
        t = w.tensors
        sizes = []
        for h, wide in SIZES[c.version]:
            found = features(t, c, normalised(picture(h, wide)), LAYERS)
            sizes.append({"height": h, "width": wide, "features": {k: stored(v) for k, v in found.items()}})
        cases.append({"name": name, "rules": w.rules, "files": {k: f(c) for k, f in NAMINGS.items()}, "sizes": sizes})
    c = TINY["dinov3"]
    w = tiny.Weights()
    fill(w, c)
    fill_head(w, c.width)
    lora = lora_of(w, c, 4)
    images = normalised(picture(64, 64))
    iml = {"rules": w.rules, "plain": stored(logits(w.tensors, c, images)), "lora": stored(logits(w.tensors, c, images, (2.0, lora)))}
    with open(OUT, "w") as f:
        json.dump({"stride": STRIDE, "cases": cases, "iml": iml}, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    torch.set_num_threads(2)
    with torch.no_grad():
        main()
