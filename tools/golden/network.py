#!/usr/bin/python3
"""Writes internal/nn/network/testdata/golden.json: PyTorch's results for tiny networks of the published kinds.

Needs Debian's python3-torch; the tests themselves don't. The networks are written here from their description, on
PyTorch's own functions, and share no code with declip.

Weights would be megabytes, so they are made by a rule that the test knows too: element i of a tensor is
offset + scale * u, u in [-1, 1) from the splitmix64 of the name's FNV-1a hash plus i + 1 steps. The file lists names, shapes,
scales and offsets of each weights file, and the logits of each case at some points.
"""
import base64
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "internal", "nn", "network", "testdata", "golden.json")
POINTS = [0, 1, 37, 74, 111, 148, 185, 254, 255]  # rows and columns of the logits in the file
WIDTHS = [32, 16, 8, 8]  # of the tiny conv decoders' stages


def uniform(name, count):
    """count numbers in [-1, 1) with 24 bits each, which depend on the name only."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1


class Weights:
    """A weights file: tensors by name, and how they are made."""

    def __init__(self):
        self.rules, self.tensors = [], {}

    def add(self, name, shape, scale, offset=0.0):
        values = offset + scale * uniform(name, int(np.prod(shape)))
        self.rules.append([name, list(shape), scale, offset])
        self.tensors[name] = torch.from_numpy(values.astype(np.float32).reshape(shape))

    def layer(self, name, out, fan, *kernel, bias=True, gain=1.0):
        """A linear layer or convolution that keeps its input's size."""
        self.add(name + ".weight", [out, fan, *kernel], gain * (3 / (fan * int(np.prod(kernel or [1])))) ** 0.5)
        if bias:
            self.add(name + ".bias", [out], 0.1)

    def norm(self, name, width, statistics=True):
        self.add(name + ".weight", [width], 0.3, 1.0)
        self.add(name + ".bias", [width], 0.2)
        if statistics:
            self.add(name + ".running_mean", [width], 0.2)
            self.add(name + ".running_var", [width], 0.4, 1.0)

    def block(self, name, width):
        self.norm(name + ".ln_1", width, False)
        self.norm(name + ".ln_2", width, False)
        self.add(name + ".attn.in_proj_weight", [3 * width, width], 2 * (3 / width) ** 0.5)
        self.add(name + ".attn.in_proj_bias", [3 * width], 0.1)
        self.layer(name + ".attn.out_proj", width, width)
        self.layer(name + ".mlp.c_fc", 4 * width, width)
        self.layer(name + ".mlp.c_proj", width, 4 * width)


def made(fill, *sizes):
    w = Weights()
    fill(w, *sizes)
    return w


def fill_vit(w, prefix, width, patch, blocks, grid):
    w.layer(prefix + "conv1", width, 3, patch, patch, bias=False)
    w.add(prefix + "class_embedding", [width], 0.5)
    w.add(prefix + "positional_embedding", [grid * grid + 1, width], 0.5)
    w.norm(prefix + "ln_pre", width, False)
    for i in range(blocks):
        w.block(f"{prefix}transformer.resblocks.{i}", width)
    # Tensors of the published files that are not needed.
    w.norm(prefix + "ln_post", width, False)
    w.add(prefix + "proj", [width, 24], 0.1)


def fill_resnet(w, prefix, width, blocks, places):

    def unit(conv, norm, out, fan, k):
        w.layer(prefix + conv, out, fan, k, k, bias=False, gain=1.4)
        w.norm(prefix + norm, out)

    unit("conv1", "bn1", width // 2, 3, 3)
    unit("conv2", "bn2", width // 2, width // 2, 3)
    unit("conv3", "bn3", width, width // 2, 3)
    fan = width
    for i, count in enumerate(blocks):
        planes = width * 2**i
        for k in range(count):
            at = f"layer{i + 1}.{k}."
            unit(at + "conv1", at + "bn1", planes, fan, 1)
            unit(at + "conv2", at + "bn2", planes, planes, 3)
            unit(at + "conv3", at + "bn3", planes * 4, planes, 1)
            if k == 0:
                unit(at + "downsample.0", at + "downsample.1", planes * 4, fan, 1)
            fan = planes * 4
    w.add(prefix + "attnpool.positional_embedding", [places * places + 1, fan], 0.1)


def fill_xception(w, prefix, widths):

    def unit(conv, norm, out, fan, k):
        w.layer(prefix + conv, out, fan, k, k, bias=False, gain=0.9)
        w.norm(prefix + norm, out)

    unit("conv1", "bn1", widths[0], 3, 3)
    unit("conv2", "bn2", widths[1], widths[0], 3)
    for i in (1, 2):
        fan, out, at = widths[i], widths[i + 1], 0 if i == 1 else 1
        unit(f"block{i}.skip", f"block{i}.skipbn", out, fan, 1)
        for k in (0, 3):
            name = f"block{i}.rep.{at + k}"
            w.layer(f"{prefix}{name}.conv1", fan, 1, 3, 3, bias=False, gain=0.9)
            unit(f"{name}.pointwise", f"block{i}.rep.{at + k + 1}", out, fan, 1)
            fan = out


def vit(w, prefix, image, layer, run=None):
    """Tokens [N, T, C] after one block, the class token first. Runs the given number of blocks, or only those needed."""
    t = {k[len(prefix):]: v for k, v in w.tensors.items() if k.startswith(prefix)}
    width, patch = t["conv1.weight"].shape[0], t["conv1.weight"].shape[-1]
    x = F.conv2d(image, t["conv1.weight"], stride=patch).flatten(2).transpose(1, 2)
    x = torch.cat([t["class_embedding"].expand(len(x), 1, -1), x], 1) + t["positional_embedding"]
    x = F.layer_norm(x, [width], t["ln_pre.weight"], t["ln_pre.bias"])
    last = int(layer[len("layer"):])
    for i in range(run or last + 1):
        x = block(t, f"transformer.resblocks.{i}", x)
        if i == last:
            features = x
    return features


def block(t, name, x, mask=None):
    width = x.shape[2]
    y = F.layer_norm(x, [width], t[name + ".ln_1.weight"], t[name + ".ln_1.bias"]).transpose(0, 1)
    y, _ = F.multi_head_attention_forward(
        y, y, y, width, width // 64, t[name + ".attn.in_proj_weight"], t[name + ".attn.in_proj_bias"], None, None,
        False, 0.0, t[name + ".attn.out_proj.weight"], t[name + ".attn.out_proj.bias"], training=False,
        need_weights=False, attn_mask=mask)
    x = x + y.transpose(0, 1)
    y = F.layer_norm(x, [width], t[name + ".ln_2.weight"], t[name + ".ln_2.bias"])
    y = F.linear(y, t[name + ".mlp.c_fc.weight"], t[name + ".mlp.c_fc.bias"])
    y = y * torch.sigmoid(1.702 * y)
    return x + F.linear(y, t[name + ".mlp.c_proj.weight"], t[name + ".mlp.c_proj.bias"])


def norm(t, name, x):
    return F.batch_norm(x, t[name + ".running_mean"], t[name + ".running_var"], t[name + ".weight"], t[name + ".bias"], False, 0, 1e-5)


def resnet(w, prefix, x, layer):
    """The map [N, C, h, w] after one of the four layers."""
    t = {k[len(prefix):]: v for k, v in w.tensors.items() if k.startswith(prefix)}

    def unit(x, conv, bn, stride=1, pad=0):
        return norm(t, bn, F.conv2d(x, t[conv + ".weight"], stride=stride, padding=pad))

    for i, stride in (1, 2), (2, 1), (3, 1):
        x = F.relu(unit(x, f"conv{i}", f"bn{i}", stride, 1))
    x = F.avg_pool2d(x, 2)
    for i in range(1, int(layer[-1]) + 1):
        k = 0
        while f"layer{i}.{k}.conv1.weight" in t:
            at, stride = f"layer{i}.{k}.", 2 if i > 1 and k == 0 else 1
            y = F.relu(unit(x, at + "conv1", at + "bn1"))
            y = F.relu(unit(y, at + "conv2", at + "bn2", pad=1))
            y = unit(F.avg_pool2d(y, stride), at + "conv3", at + "bn3")
            if k == 0:
                x = unit(F.avg_pool2d(x, stride), at + "downsample.0", at + "downsample.1")
            x, k = F.relu(x + y), k + 1
    return x


def xception(w, prefix, x):
    t = {k[len(prefix):]: v for k, v in w.tensors.items() if k.startswith(prefix)}
    x = F.relu(norm(t, "bn1", F.conv2d(x, t["conv1.weight"], stride=2)))
    x = F.relu(norm(t, "bn2", F.conv2d(x, t["conv2.weight"])))
    for i, at in (1, 0), (2, 1):
        skip = norm(t, f"block{i}.skipbn", F.conv2d(x, t[f"block{i}.skip.weight"], stride=2))
        y = F.relu(x) if at else x
        for k in (0, 3):
            name = f"block{i}.rep.{at + k}"
            y = y if k == 0 else F.relu(y)
            y = F.conv2d(y, t[name + ".conv1.weight"], padding=1, groups=y.shape[1])
            y = norm(t, f"block{i}.rep.{at + k + 1}", F.conv2d(y, t[name + ".pointwise.weight"]))
        x = F.max_pool2d(y, 3, 2, 1) + skip
    return x


def to_map(tokens):
    """[N, T, C] without the class token as [N, C, g, g]."""
    n, count, width = tokens.shape
    g = int((count - 1) ** 0.5)
    return tokens[:, 1:].transpose(1, 2).reshape(n, width, g, g)


def conv_layers(channels, depth, layer, cnn, widths=None):
    """The published sequence of a conv decoder, as torch modules."""
    layers, fan = [], channels
    for stage, width in enumerate(widths or WIDTHS, 1):
        for _ in range(depth // 4):
            layers += [torch.nn.Conv2d(fan, width, 5, padding=2), torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
            fan = width
        if cnn and (layer == "layer2" and stage == 1 or layer == "layer1" and stage <= 2):
            continue
        layers.append(torch.nn.Upsample(scale_factor=2, mode="bilinear"))
    if cnn:
        layers.append(torch.nn.Upsample(size=(256, 256), mode="bilinear"))
    layers.append(torch.nn.Conv2d(fan, 1, 5, padding=2))
    return torch.nn.Sequential(*layers)


def conv_decoder(w, prefix, x, depth, layer, cnn):
    if not hasattr(w, "decoder"):
        w.decoder = make_conv_decoder(w, prefix, x.shape[1], depth, layer, cnn)
    x = w.decoder(x)
    return x if x.shape[2] == 256 else F.interpolate(x, (256, 256), mode="bilinear", align_corners=False)


def make_conv_decoder(w, prefix, channels, depth, layer, cnn):
    layers = conv_layers(channels, depth, layer, cnn)
    for name, module in layers.named_children():
        key = f"{prefix}fc.{name}"
        if key + ".weight" in w.tensors:
            continue
        if isinstance(module, torch.nn.Conv2d):
            w.layer(key, module.out_channels, module.in_channels, 5, 5, gain=1.4)
        elif isinstance(module, torch.nn.BatchNorm2d):
            w.norm(key, module.num_features)
    layers.load_state_dict({k: w.tensors.get(f"{prefix}fc.{k}", v) for k, v in layers.state_dict().items()})
    return layers.eval()


def bicubic(x):
    return F.interpolate(x, (256, 256), mode="bicubic", align_corners=False)


def linear_on_tokens(w, prefix, tokens):
    if prefix + "fc.0.weight" not in w.tensors:
        w.layer(prefix + "fc.0", 1, tokens.shape[2])
    x = F.linear(tokens[:, 1:], w.tensors[prefix + "fc.0.weight"], w.tensors[prefix + "fc.0.bias"])
    g = int(x.shape[1] ** 0.5)
    return bicubic(x.reshape(len(x), 1, g, g))


def attention(w, prefix, tokens):
    for name in "att1", "att2":
        if f"{prefix}{name}.ln_1.weight" not in w.tensors:
            w.block(prefix + name, tokens.shape[2])
        t = {k[len(prefix):]: v for k, v in w.tensors.items() if k.startswith(prefix)}
        mask = torch.full([tokens.shape[1]] * 2, float("-inf")).triu(1)
        tokens = block(t, name, tokens, mask)
    return linear_on_tokens(w, prefix, tokens)


def linear_on_channels(w, prefix, x):
    if prefix + "fc.0.weight" not in w.tensors:
        w.layer(prefix + "fc.0", 1, x.shape[1], 1, 1)
    return bicubic(F.conv2d(x, w.tensors[prefix + "fc.0.weight"], w.tensors[prefix + "fc.0.bias"]))


def linear_on_positions(w, prefix, x):
    """The published linear decoder on Xception: over the channels, with weights for the positions."""
    n, c, h, wide = x.shape
    if prefix + "fc.0.weight" not in w.tensors:
        w.layer(prefix + "fc.0", 1, h * wide)
    y = F.linear(x.reshape(n, c, h * wide), w.tensors[prefix + "fc.0.weight"], w.tensors[prefix + "fc.0.bias"])
    return bicubic(y.reshape(n, 1, int(c**0.5), int(c**0.5)))


def picture(side):
    values = 1.5 * uniform(f"image{side}", 2 * 3 * side * side)
    return torch.from_numpy(values.astype(np.float32).reshape(2, 3, side, side))


class Golden:
    def __init__(self):
        self.files, self.cases = {}, []

    def file(self, name, weights):
        self.files[name] = weights.rules

    def case(self, name, logits, weights, layer, decoder, beside=()):
        logits = logits.detach()
        assert logits.shape == (2, 1, 256, 256), logits.shape
        spread, largest = logits.std().item(), logits.abs().max().item()
        assert 0.05 < spread and largest < 20, (name, spread, largest)
        kept = logits[:, 0][:, POINTS][:, :, POINTS].contiguous().numpy().astype("<f4")
        own = Weights()
        own.rules = [r for r in weights.rules if r[0].startswith(("model.fc.", "model.att"))]
        self.cases.append({
            "name": name, "layer": layer, "decoder": decoder, "files": list(beside), "own": own.rules,
            "mean": logits.double().mean().item(), "square": (logits.double() ** 2).mean().item(),
            "logits": base64.b64encode(kept.tobytes()).decode(),
        })
        print(f"{name:44} logits {logits.min():7.3f} to {logits.max():7.3f}, deviation {spread:.3f}")


def main():
    torch.set_num_threads(2)
    g = Golden()
    visual, p = "model.model.visual.", "model."
    published = lambda: made(fill_vit, visual, 128, 4, 4, 16)
    small = lambda: made(fill_vit, visual, 64, 6, 2, 5)
    convnet = lambda: made(fill_resnet, visual, 16, [1, 2, 2, 1], 7)
    xcept = lambda: made(fill_xception, "model.model.", [8, 12, 16, 36])
    for name, make in ("vit", published), ("small", small), ("resnet", convnet), ("xception", xcept):
        g.file(name, make())

    for layer, decoder in ("layer0", 4), ("layer1", 8), ("layer2", 20), ("layer3", 12), ("layer2", 4):
        w = published()
        logits = conv_decoder(w, p, to_map(vit(w, visual, picture(64), layer)), decoder, layer, False)
        g.case(f"vit {layer} conv-{decoder}", logits, w, layer, f"conv-{decoder}", ["vit"])
    for layer in "layer0", "layer3":
        w = published()
        g.case(f"vit {layer} linear", linear_on_tokens(w, p, vit(w, visual, picture(64), layer)), w, layer, "linear", ["vit"])
        w = published()
        g.case(f"vit {layer} attention", attention(w, p, vit(w, visual, picture(64), layer)), w, layer, "attention", ["vit"])
    w = small()
    logits = conv_decoder(w, p, to_map(vit(w, visual, picture(30), "layer1")), 4, "layer1", False)
    g.case("small vit layer1 conv-4", logits, w, "layer1", "conv-4", ["small"])
    for layer in "layer1", "layer2", "layer3", "layer4":
        for depth in 4, 12:
            w = convnet()
            logits = conv_decoder(w, p, resnet(w, visual, picture(224), layer), depth, layer, True)
            g.case(f"resnet {layer} conv-{depth}", logits, w, layer, f"conv-{depth}", ["resnet"])
        w = convnet()
        g.case(f"resnet {layer} linear", linear_on_channels(w, p, resnet(w, visual, picture(224), layer)), w, layer, "linear", ["resnet"])
    w = xcept()
    g.case("xception linear over positions", linear_on_positions(w, p, xception(w, "model.model.", picture(224))), w, "", "linear", ["xception"])
    w = xcept()
    g.case("xception linear over channels", linear_on_channels(w, p, xception(w, "model.model.", picture(224))), w, "", "linear", ["xception"])
    w = xcept()
    g.case("xception conv-4", conv_decoder(w, p, xception(w, "model.model.", picture(224)), 4, "", True), w, "", "conv-4", ["xception"])
    for layer, depth in ("layer0", 4), ("layer1", 4), ("layer2", 12), ("layer3", 4):
        w, other = published(), convnet()
        second = F.interpolate(resnet(other, visual, picture(224), "layer3"), (16, 16), mode="bilinear", align_corners=False)
        joined = torch.cat([to_map(vit(w, visual, picture(64), layer)), second], 1)
        logits = conv_decoder(w, p, joined, depth, layer, True)
        g.case(f"fusion {layer} conv-{depth}", logits, w, layer, f"conv-{depth}", ["vit", "resnet"])

    os.makedirs(os.path.dirname(OUT), exist_ok=True)
    with open(OUT + ".tmp", "w") as f:
        f.write('{"points": %s,\n"files": {\n' % json.dumps(POINTS))
        f.write(",\n".join(f'"{k}": [\n' + ",\n".join(json.dumps(r, separators=(",", ":")) for r in v) + "]" for k, v in g.files.items()))
        f.write('},\n"cases": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in g.cases) + "]}\n")
    os.replace(OUT + ".tmp", OUT)
    print(OUT, os.path.getsize(OUT), "bytes")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
