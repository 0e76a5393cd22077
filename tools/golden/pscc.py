"""PSCC-Net (Liu et al., TCSVT 2022) on PyTorch's functions, written from its description.

Names, shapes and the order of the operations are those of the three published checkpoints: the backbone, the masks and
the detection. The sizes of a network are in Sizes, so that the same code makes the published network and copies with few
channels.
"""
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F


@dataclass
class Sizes:
    """The defaults are the published sizes."""

    stem: int = 64
    layer1: int = 2  # bottlenecks
    widths: list = field(default_factory=lambda: [18, 36, 72, 144])
    blocks: int = 2
    side: int = 256  # of the largest mask
    cuts: list = field(default_factory=lambda: [4, 2, 2, 1])  # strips of each plane: their number's root
    inner: int = 16  # channels before a mask
    final: int = 128
    classes: int = 16


SMALL = Sizes(stem=8, layer1=1, widths=[4, 6, 8, 12], blocks=1, inner=5, final=12, classes=6)


class Layers:
    """What adds tensors to w, which has the methods of network.Weights."""

    def __init__(self, w):
        self.w = w

    def unit(self, conv, norm, out, fan, k, bias=False, gain=1.2):
        self.w.layer(conv, out, fan, k, k, bias=bias, gain=gain)
        self.w.norm(norm, out)

    def bottleneck(self, at, fan, inner, out):
        self.unit(at + "conv1", at + "bn1", inner, fan, 1)
        self.unit(at + "conv2", at + "bn2", inner, inner, 3)
        self.unit(at + "conv3", at + "bn3", out, inner, 1)
        if fan != out:
            self.unit(at + "downsample.0", at + "downsample.1", out, fan, 1)


def fill_backbone(w, s):
    add = Layers(w)
    add.unit("conv1", "bn1", s.stem, 3, 3)
    add.unit("conv2", "bn2", s.stem, s.stem, 3)
    for i in range(s.layer1):
        add.bottleneck(f"layer1.{i}.", 4 * s.stem if i else s.stem, s.stem, 4 * s.stem)
    add.unit("transition1.0.0", "transition1.0.1", s.widths[0], 4 * s.stem, 3)
    add.unit("transition1.1.0.0", "transition1.1.0.1", s.widths[1], 4 * s.stem, 3)
    for stage in 2, 3, 4:
        if stage > 2:
            at = f"transition{stage - 1}.{stage - 1}.0."
            add.unit(at + "0", at + "1", s.widths[stage - 1], s.widths[stage - 2], 3)
        for i in range(stage):
            for b in range(s.blocks):
                for k in 1, 2:
                    at = f"stage{stage}.0.branches.{i}.{b}."
                    add.unit(f"{at}conv{k}", f"{at}bn{k}", s.widths[i], s.widths[i], 3)
            for j in range(stage):
                at = f"stage{stage}.0.fuse_layers.{i}.{j}."
                if j > i:
                    add.unit(at + "0", at + "1", s.widths[i], s.widths[j], 1)
                for k in range(i - j):
                    out = s.widths[i if k == i - j - 1 else j]
                    add.unit(f"{at}{k}.0", f"{at}{k}.1", out, s.widths[j], 3)


def fill_masks(w, s):
    for k, (c, cut) in enumerate(zip(s.widths, s.cuts), 1):
        at, m = f"getmask{k}.", c * cut * cut
        for name in "g", "theta", "phi":
            w.layer(f"{at}{name}", m, m, 1, 1, gain=0.12 if name != "g" else 1)
        for name in "W_s", "W_c":
            w.layer(f"{at}{name}", c, c, 1, 1)
        for name in "gamma_s", "gamma_c":
            w.add(f"{at}{name}", [1], 0.3, 1.0)
        w.layer(at + "getmask.0", s.inner, c, 3, 3, gain=1.4)
        w.layer(at + "getmask.2", 1, s.inner, 3, 3, gain=2)


def fill_detection(w, s):
    add = Layers(w)
    for i, c in enumerate(s.widths):
        add.bottleneck(f"incre_modules.{i}.0.", c, c, 2 * c)
        if i < 3:
            at = f"downsamp_modules.{i}."
            add.unit(at + "0", at + "1", 2 * s.widths[i + 1], 2 * c, 3, bias=True)
    add.unit("final_layer.0", "final_layer.1", s.final, 2 * s.widths[3], 1, bias=True)
    w.layer("classifier.0", s.classes, s.final)
    w.layer("classifier.2", 2, s.classes, gain=0.4)


FILES = {"HRNet": fill_backbone, "NLCDetection": fill_masks, "DetectionHead": fill_detection}


class PSCC:
    """The network on tensors by name, those of the three files together."""

    def __init__(self, tensors, s):
        self.t, self.s = tensors, s

    def conv(self, x, name, **options):
        return F.conv2d(x, self.t[name + ".weight"], self.t.get(name + ".bias"), **options)

    def unit(self, x, conv, norm, **options):
        at = lambda part: self.t[f"{norm}.{part}"]
        x = self.conv(x, conv, **options)
        return F.batch_norm(x, at("running_mean"), at("running_var"), at("weight"), at("bias"), False, 0, 1e-5)

    def bottleneck(self, x, at):
        y = F.relu(self.unit(x, at + "conv1", at + "bn1"))
        y = F.relu(self.unit(y, at + "conv2", at + "bn2", padding=1))
        y = self.unit(y, at + "conv3", at + "bn3")
        if at + "downsample.0.weight" in self.t:
            x = self.unit(x, at + "downsample.0", at + "downsample.1")
        return F.relu(y + x)

    def basic(self, x, at):
        y = F.relu(self.unit(x, at + "conv1", at + "bn1", padding=1))
        return F.relu(self.unit(y, at + "conv2", at + "bn2", padding=1) + x)

    def backbone(self, x):
        """Four maps: at the size of x [N, 3, H, W], and at a half, a quarter and an eighth of it."""
        x = F.relu(self.unit(x, "conv1", "bn1", padding=1))
        x = F.relu(self.unit(x, "conv2", "bn2", padding=1))
        for i in range(self.s.layer1):
            x = self.bottleneck(x, f"layer1.{i}.")
        maps = [F.relu(self.unit(x, "transition1.0.0", "transition1.0.1", padding=1)),
                F.relu(self.unit(x, "transition1.1.0.0", "transition1.1.0.1", padding=1, stride=2))]
        for stage in 2, 3, 4:
            if stage > 2:
                at = f"transition{stage - 1}.{stage - 1}.0."
                maps.append(F.relu(self.unit(maps[-1], at + "0", at + "1", padding=1, stride=2)))
            for i in range(stage):
                for b in range(self.s.blocks):
                    maps[i] = self.basic(maps[i], f"stage{stage}.0.branches.{i}.{b}.")
            maps = [F.relu(sum(self.way(maps, f"stage{stage}.0.fuse_layers.{i}.{j}.", j, i) for j in range(stage)))
                    for i in range(stage)]
        return maps

    def way(self, maps, at, j, i):
        x = maps[j]
        if j > i:
            x = self.unit(x, at + "0", at + "1")
            return F.interpolate(x, maps[i].shape[2:], mode="bilinear", align_corners=True)
        for k in range(i - j):
            x = self.unit(x, f"{at}{k}.0", f"{at}{k}.1", padding=1, stride=2)
            x = F.relu(x) if k < i - j - 1 else x
        return x

    def mask(self, s, k):
        """The mask [N, 1, h, w] at one scale from features [N, c, h, w]."""
        return torch.sigmoid(self.mask_logits(s, k))

    def mask_logits(self, s, k):
        at, (n, c, h, w), cut = f"getmask{k}.", s.shape, self.s.cuts[k - 1]
        m, places = c * cut * cut, h * w // (cut * cut)
        rows = s.reshape(n, m, places, 1)
        g, theta, phi = (self.conv(rows, at + name)[..., 0] for name in ("g", "theta", "phi"))
        space = torch.softmax(theta.transpose(1, 2) @ phi, 2)
        ys = (space @ g.transpose(1, 2)).transpose(1, 2).reshape(n, c, h, w)
        channel = torch.softmax(theta @ phi.transpose(1, 2), 2)
        yc = (g.transpose(1, 2) @ channel).reshape(n, c, h, w)  # places x channels, read as channels x places
        z = s + self.t[at + "gamma_s"] * self.conv(ys, at + "W_s") + self.t[at + "gamma_c"] * self.conv(yc, at + "W_c")
        z = F.relu(self.conv(z, at + "getmask.0", padding=1))
        return self.conv(z, at + "getmask.2", padding=1)

    def detection(self, maps):
        y = self.bottleneck(maps[0], "incre_modules.0.0.")
        for i in 1, 2, 3:
            at = f"downsamp_modules.{i - 1}."
            y = self.bottleneck(maps[i], f"incre_modules.{i}.0.") + F.relu(self.unit(y, at + "0", at + "1", padding=1, stride=2))
        y = F.relu(self.unit(y, "final_layer.0", "final_layer.1")).mean((2, 3))
        y = F.relu(F.linear(y, self.t["classifier.0.weight"], self.t["classifier.0.bias"]))
        return F.linear(y, self.t["classifier.2.weight"], self.t["classifier.2.bias"])

    def __call__(self, image):
        """image [N, 3, H, W] in [0, 1]. Returns the masks [N, 1, h, w] from the largest on, the map [N, H, W] and the
        score [N]."""
        side = self.s.side
        maps = [F.interpolate(x, (side >> i, side >> i), mode="bilinear", align_corners=True)
                for i, x in enumerate(self.backbone(image))]
        masks, finer = [], None
        for k in 4, 3, 2, 1:
            s = maps[k - 1]
            if finer is not None:
                s = s * F.interpolate(finer, s.shape[2:], mode="bilinear", align_corners=True)
            finer = self.mask(s, k)
            masks.insert(0, finer)
        full = F.interpolate(finer, image.shape[2:], mode="bilinear", align_corners=True)
        return {"masks": masks, "map": full[:, 0], "score": torch.softmax(self.detection(maps), 1)[:, 1]}
