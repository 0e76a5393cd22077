"""CAT-Net v2 on PyTorch's functions, written from its description: https://doi.org/10.1007/s11263-022-01617-5.

Tensors have the published names. Sizes are those of SIZES or any others; weights are made by the rule of network.py.
"""
import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import jpegfile
from network import uniform

SIZES = {
    "stem": 64, "inner": 64, "outer": 256, "bottlenecks": 4, "blocks": 4,
    "widths": [48, 96, 192, 384], "modules": [1, 4, 3],
    "dct": [64, 4], "dct_widths": [96, 192, 384], "dct_modules": [3, 2], "dct_blocks": 4,
    "joined": [24, 48, 96, 192],
}


class Tensors(dict):
    """Tensors by name, made when they are first asked for: so the layout is what the network takes."""

    def get_tensor(self, name, shape, scale, offset=0.0):
        if name not in self:
            values = offset + scale * uniform(name, int(np.prod(shape)))
            self[name] = torch.from_numpy(values.astype(np.float32).reshape(shape))
        assert list(self[name].shape) == list(shape), (name, self[name].shape, shape)
        return self[name]

    def conv(self, x, name, out, kernel=3, stride=1, dilation=1, bias=False, gain=1.0):
        fan = x.shape[1] * kernel * kernel
        w = self.get_tensor(name + ".weight", [out, x.shape[1], kernel, kernel], gain * (3 / fan) ** 0.5)
        b = self.get_tensor(name + ".bias", [out], 0.1) if bias else None
        return F.conv2d(x, w, b, stride, dilation * (kernel - 1) // 2, dilation)

    def norm(self, x, name):
        c = [x.shape[1]]
        weight, bias = self.get_tensor(name + ".weight", c, 0.3, 1.0), self.get_tensor(name + ".bias", c, 0.2)
        mean, var = self.get_tensor(name + ".running_mean", c, 0.2), self.get_tensor(name + ".running_var", c, 0.4, 1.0)
        if name + ".num_batches_tracked" not in self:
            self[name + ".num_batches_tracked"] = torch.tensor(1)
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, 1e-5)

    def unit(self, x, conv, norm, out, kernel=3, stride=1, gain=1.0):
        return self.norm(self.conv(x, conv, out, kernel, stride, gain=gain), norm)

    def shortcut(self, x, name, out):
        if x.shape[1] == out:
            return x
        return self.unit(x, name + ".downsample.0", name + ".downsample.1", out, 1)

    def basic(self, x, name, out):
        y = F.relu(self.unit(x, name + ".conv1", name + ".bn1", out))
        return F.relu(self.unit(y, name + ".conv2", name + ".bn2", out, gain=0.5) + self.shortcut(x, name, out))

    def bottleneck(self, x, name, inner, outer):
        y = F.relu(self.unit(x, name + ".conv1", name + ".bn1", inner, 1))
        y = F.relu(self.unit(y, name + ".conv2", name + ".bn2", inner))
        return F.relu(self.unit(y, name + ".conv3", name + ".bn3", outer, 1, gain=0.5) + self.shortcut(x, name, outer))

    def way(self, xs, name, j, i, widths, corners):
        x = xs[j]
        at = f"{name}.{i}.{j}"
        if j > i:
            x = self.unit(x, at + ".0", at + ".1", widths[i], 1, gain=0.5)
            return up(x, xs[i], corners)
        for k in range(i - j):
            last = k == i - j - 1
            x = self.unit(x, f"{at}.{k}.0", f"{at}.{k}.1", widths[i] if last else widths[j], stride=2, gain=0.7)
            x = x if last else F.relu(x)
        return x

    def module(self, xs, name, widths, blocks, corners):
        branches = []
        for i, x in enumerate(xs):
            for b in range(blocks):
                x = self.basic(x, f"{name}.branches.{i}.{b}", widths[i])
            branches.append(x)
        out = []
        for i in range(len(xs)):
            total = self.way(branches, name + ".fuse_layers", 0, i, widths, corners)
            for j in range(1, len(xs)):
                total = total + self.way(branches, name + ".fuse_layers", j, i, widths, corners)
            out.append(F.relu(total))
        return out

    def stage(self, xs, name, widths, modules, blocks, corners=False):
        for m in range(modules):
            xs = self.module(xs, f"{name}.{m}", widths, blocks, corners)
        return xs

    def smaller(self, x, name, i, width):
        return F.relu(self.unit(x, f"{name}.{i}.0.0", f"{name}.{i}.0.1", width, stride=2))

    def hrnet(self, x, sizes, stride, corners):
        x = F.relu(self.unit(x, "conv1", "bn1", sizes["stem"], stride=stride))
        x = F.relu(self.unit(x, "conv2", "bn2", sizes["stem"], stride=stride))
        for b in range(sizes["bottlenecks"]):
            x = self.bottleneck(x, f"layer1.{b}", sizes["inner"], sizes["outer"])
        w = sizes["widths"]
        xs = [F.relu(self.unit(x, "transition1.0.0", "transition1.0.1", w[0])), self.smaller(x, "transition1", 1, w[1])]
        for s in range(3):
            if s:
                xs = xs + [self.smaller(xs[-1], f"transition{s + 1}", s + 1, w[s + 1])]
            xs = self.stage(xs, f"stage{s + 2}", w[:s + 2], sizes["modules"][s], sizes["blocks"], corners)
        return xs


def up(x, like, corners):
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=corners)


def volume(coefficients):
    """[N, H, W] to [N, 21, H, W]: one plane for each of |c| = 0 to 19 and one for 20 and more."""
    size = coefficients.abs().clamp(max=20)
    return torch.stack([(size == k).float() for k in range(21)], 1)


def dct_stream(t, coefficients, steps, sizes):
    x = t.conv(volume(coefficients), "dc_layer0_dil.0", sizes["dct"][0], dilation=8, bias=True, gain=4.0)
    x = F.relu(t.norm(x, "dc_layer0_dil.1"))
    x = F.relu(t.unit(x, "dc_layer1_tail.0", "dc_layer1_tail.1", sizes["dct"][1], 1))
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // 8, 8, w // 8, 8).permute(0, 1, 3, 5, 2, 4)
    b = x * steps.reshape(n, 1, 8, 8, 1, 1)
    x = torch.cat([x.reshape(n, c * 64, h // 8, w // 8), b.reshape(n, c * 64, h // 8, w // 8)], 1)
    widths = sizes["dct_widths"]
    for k in range(sizes["dct_blocks"]):
        x = t.basic(x, f"dc_layer2.{k}", widths[0])
    xs = [x, t.smaller(x, "dc_transition2", 1, widths[1])]
    xs = t.stage(xs, "dc_stage3", widths[:2], sizes["dct_modules"][0], sizes["dct_blocks"])
    xs = xs + [t.smaller(xs[1], "dc_transition3", 2, widths[2])]
    return t.stage(xs, "dc_stage4", widths, sizes["dct_modules"][1], sizes["dct_blocks"])


def last_layer(t, xs):
    x = torch.cat([xs[0]] + [up(x, xs[0], False) for x in xs[1:]], 1)
    x = F.relu(t.norm(t.conv(x, "last_layer.0", x.shape[1], 1, bias=True), "last_layer.1"))
    return t.conv(x, "last_layer.3", 2, 1, bias=True, gain=0.3)


def forward(t, sizes, image, coefficients, steps):
    """image [N, 3, H, W] in -1 to 1, or None for the network of coefficients alone; coefficients [N, H, W]; steps
    [N, 8, 8]. H and W are multiples of 8. Returns logits [N, 2, h, w] at a quarter of the size, or an eighth."""
    with torch.no_grad():
        if image is None:
            return last_layer(t, dct_stream(t, coefficients, steps, sizes))
        xs = t.hrnet(image, sizes, 2, False)
        ds = dct_stream(t, coefficients, steps, sizes)
        xs = xs[:1] + [torch.cat(pair, 1) for pair in zip(xs[1:], ds)]
        xs = [F.relu(t.unit(x, f"transition4.{i}.0", f"transition4.{i}.1", w)) for i, (x, w) in enumerate(zip(xs, sizes["joined"]))]
        return last_layer(t, t.stage(xs, "stage5", sizes["joined"], 1, sizes["blocks"]))


def read_picture(path):
    """A file to image [1, 3, H, W], coefficients [1, H, W], steps [1, 8, 8] and the picture's height and width."""
    with open(path, "rb") as f:
        data = f.read()
    picture = Image.open(io.BytesIO(data))
    if picture.format != "JPEG":
        again = io.BytesIO()
        picture.convert("RGB").save(again, "JPEG", quality=100, subsampling=0)
        data = again.getvalue()
        picture = Image.open(again)
    coefficients, steps = jpegfile.read(data)
    levels = np.asarray(picture.convert("RGB")).astype(np.float32)
    height, width = levels.shape[:2]
    image = np.full((*coefficients.shape, 3), 127.5, np.float32)
    image[:height, :width] = levels
    image = torch.from_numpy((image - 127.5) / 127.5).permute(2, 0, 1)
    return image[None], torch.from_numpy(coefficients.astype(np.float32))[None], torch.from_numpy(steps.astype(np.float32))[None], height, width


def probabilities(t, sizes, image, coefficients, steps):
    """The probabilities of manipulation [N, H, W], for the inputs of forward."""
    logits = forward(t, sizes, image, coefficients, steps)
    logits = F.interpolate(logits, coefficients.shape[1:], mode="bilinear", align_corners=False)
    return torch.softmax(logits, 1)[:, 1]


def map_of(t, sizes, path, pixels):
    """The probabilities of manipulation [H, W] of a file's picture."""
    image, coefficients, steps, height, width = read_picture(path)
    return probabilities(t, sizes, image if pixels else None, coefficients, steps)[0, :height, :width].numpy()
