"""TruFor (Guillaro et al., CVPR 2023) on PyTorch's functions, written from its description.

Names, shapes and the order of the operations are those of the published checkpoint. The sizes of a network are in
Sizes, so that the same code makes the published network and copies with a few channels.
"""
import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TOWERS = "", "extra_"


@dataclass
class Sizes:
    """The defaults are the published sizes."""

    print_width: int = 64  # channels of Noiseprint++
    print_depth: int = 15  # its convolutions with a batch norm
    widths: list = field(default_factory=lambda: [64, 128, 320, 512])
    heads: list = field(default_factory=lambda: [1, 2, 5, 8])
    blocks: list = field(default_factory=lambda: [3, 4, 6, 3])
    shrink: list = field(default_factory=lambda: [8, 4, 2, 1])
    ratio: int = 4  # of an MLP's inner width
    decoder: int = 512
    score: int = 128


SMALL = Sizes(16, 3, [8, 16, 40, 64], blocks=[2, 1, 1, 1], decoder=24, score=12)


def fill(w, s):
    """Adds the tensors to w, which has the methods of network.Weights."""
    c = s.print_width
    w.layer("dncnn.0", c, 3, 3, 3, gain=1.4)
    for i in range(s.print_depth):
        w.layer(f"dncnn.{3 * i + 2}", c, c, 3, 3, bias=False, gain=1.4)
        w.norm(f"dncnn.{3 * i + 3}", c)
    w.layer(f"dncnn.{3 * s.print_depth + 2}", 1, c, 3, 3)
    for tower in TOWERS:
        fan = 3
        for i in range(4):
            fill_stage(w, s, tower, i, fan)
            fan = s.widths[i]
    for i, (c, heads) in enumerate(zip(s.widths, s.heads)):
        fill_exchange(w, f"backbone.FRMs.{i}.", c)
        fill_fusion(w, f"backbone.FFMs.{i}.", c)
    for name, classes in ("decode_head", 2), ("decode_head_conf", 1):
        for i, c in enumerate(s.widths):
            w.layer(f"{name}.linear_c{i + 1}.proj", s.decoder, c)
        w.layer(name + ".linear_fuse.0", s.decoder, 4 * s.decoder, 1, 1, gain=1.4)
        w.norm(name + ".linear_fuse.1", s.decoder)
        w.layer(name + ".linear_pred", classes, s.decoder, 1, 1, gain=2)
    w.layer("detection.0", s.score, 8)
    w.layer("detection.3", 1, s.score)


def fill_stage(w, s, tower, i, fan):
    c, k, r = s.widths[i], 3 if i else 7, s.shrink[i]
    at = f"backbone.{tower}"
    w.layer(f"{at}patch_embed{i + 1}.proj", c, fan, k, k)
    w.norm(f"{at}patch_embed{i + 1}.norm", c, False)
    for b in range(s.blocks[i]):
        block = f"{at}block{i + 1}.{b}."
        w.norm(block + "norm1", c, False)
        w.layer(block + "attn.q", c, c, gain=2)
        w.layer(block + "attn.kv", 2 * c, c, gain=2)
        w.layer(block + "attn.proj", c, c)
        if r > 1:
            w.layer(block + "attn.sr", c, c, r, r)
            w.norm(block + "attn.norm", c, False)
        w.norm(block + "norm2", c, False)
        w.layer(block + "mlp.fc1", s.ratio * c, c)
        w.layer(block + "mlp.dwconv.dwconv", s.ratio * c, 1, 3, 3)
        w.layer(block + "mlp.fc2", c, s.ratio * c)
    w.norm(f"{at}norm{i + 1}", c, False)


def fill_exchange(w, at, c):
    w.layer(at + "channel_weights.mlp.0", 4 * c, 4 * c)
    w.layer(at + "channel_weights.mlp.2", 2 * c, 4 * c)
    w.layer(at + "spatial_weights.mlp.0", c, 2 * c, 1, 1)
    w.layer(at + "spatial_weights.mlp.2", 2, c, 1, 1)


def fill_fusion(w, at, c):
    for t in 1, 2:
        w.layer(f"{at}cross.channel_proj{t}", 2 * c, c, gain=1.4)
        w.layer(f"{at}cross.cross_attn.kv{t}", 2 * c, c, bias=False)
        w.layer(f"{at}cross.end_proj{t}", c, 2 * c)
        w.norm(f"{at}cross.norm{t}", c, False)
    at += "channel_emb."
    w.layer(at + "residual", c, 2 * c, 1, 1, bias=False)
    w.layer(at + "channel_embed.0", c, 2 * c, 1, 1)
    w.layer(at + "channel_embed.1", c, 1, 3, 3)
    w.layer(at + "channel_embed.3", c, c, 1, 1)
    w.norm(at + "channel_embed.4", c)
    w.norm(at + "norm", c)


class TruFor:
    """The network on tensors by name."""

    def __init__(self, tensors, s):
        self.t, self.s = tensors, s

    def conv(self, x, name, **options):
        w = self.t[name + ".weight"]
        return F.conv2d(x, w.reshape(*w.shape, *[1] * (4 - w.dim())), self.t.get(name + ".bias"), **options)

    def linear(self, x, name):
        return F.linear(x, self.t[name + ".weight"], self.t.get(name + ".bias"))

    def batch_norm(self, x, name, eps=1e-5):
        at = lambda part: self.t[f"{name}.{part}"]
        return F.batch_norm(x, at("running_mean"), at("running_var"), at("weight"), at("bias"), False, 0, eps)

    def layer_norm(self, x, name, eps):
        w = self.t[name + ".weight"]
        return F.layer_norm(x, [len(w)], w, self.t[name + ".bias"], eps)

    def fingerprint(self, x):
        """Noiseprint++: [N, 3, H, W] to [N, 1, H, W]."""
        x = F.relu(self.conv(x, "dncnn.0", padding=1))
        for i in range(self.s.print_depth):
            x = F.relu(self.batch_norm(self.conv(x, f"dncnn.{3 * i + 2}", padding=1), f"dncnn.{3 * i + 3}"))
        return self.conv(x, f"dncnn.{3 * self.s.print_depth + 2}", padding=1)

    def stage(self, x, tower, i):
        """Stage i of a tower: a map to a map of half the size, or a quarter for the first."""
        at = f"backbone.{tower}"
        x = self.conv(x, f"{at}patch_embed{i + 1}.proj", stride=2 if i else 4, padding=1 if i else 3)
        n, c, h, w = x.shape
        x = self.layer_norm(tokens(x), f"{at}patch_embed{i + 1}.norm", 1e-5)
        for b in range(self.s.blocks[i]):
            block = f"{at}block{i + 1}.{b}."
            x = x + self.attention(self.layer_norm(x, block + "norm1", 1e-6), block + "attn.", i, h, w)
            y = self.linear(self.layer_norm(x, block + "norm2", 1e-6), block + "mlp.fc1")
            y = self.conv(to_map(y, h, w), block + "mlp.dwconv.dwconv", padding=1, groups=y.shape[2])
            x = x + self.linear(F.gelu(tokens(y)), block + "mlp.fc2")
        return to_map(self.layer_norm(x, f"{at}norm{i + 1}", 1e-6), h, w)

    def attention(self, x, at, i, h, w):
        n, count, c = x.shape
        heads = self.s.heads[i]
        q = self.linear(x, at + "q").reshape(n, count, heads, c // heads).transpose(1, 2)
        if self.s.shrink[i] > 1:
            x = self.conv(to_map(x, h, w), at + "sr", stride=self.s.shrink[i])
            x = self.layer_norm(tokens(x), at + "norm", 1e-5)
        k, v = self.linear(x, at + "kv").reshape(n, -1, 2, heads, c // heads).permute(2, 0, 3, 1, 4)
        x = torch.softmax((q @ k.transpose(2, 3)) * (c // heads) ** -0.5, -1) @ v
        return self.linear(x.transpose(1, 2).reshape(n, count, c), at + "proj")

    def exchange(self, a, b, i):
        """FRM: what both towers go on with."""
        at = f"backbone.FRMs.{i}."
        both = torch.cat([a, b], 1)
        y = torch.cat([both.mean((2, 3)), both.amax((2, 3))], 1)
        y = torch.sigmoid(self.linear(F.relu(self.linear(y, at + "channel_weights.mlp.0")), at + "channel_weights.mlp.2"))
        c0, c1 = y[:, :, None, None].chunk(2, 1)
        y = self.conv(F.relu(self.conv(both, at + "spatial_weights.mlp.0")), at + "spatial_weights.mlp.2")
        s0, s1 = torch.sigmoid(y).chunk(2, 1)
        return a + 0.5 * c1 * b + 0.5 * s1 * b, b + 0.5 * c0 * a + 0.5 * s0 * a

    def fusion(self, a, b, i):
        """FFM: what the decoders read."""
        at, heads = f"backbone.FFMs.{i}.", self.s.heads[i]
        n, c, h, w = a.shape
        split = lambda x: x.reshape(n, -1, heads, c // heads).transpose(1, 2)
        y, u, context = {}, {}, {}
        for t, x in (1, tokens(a)), (2, tokens(b)):
            y[t], u[t] = F.relu(self.linear(x, f"{at}cross.channel_proj{t}")).chunk(2, 2)
            k, v = self.linear(u[t], f"{at}cross.cross_attn.kv{t}").chunk(2, 2)
            context[t] = torch.softmax((split(k).transpose(2, 3) @ split(v)) * (c // heads) ** -0.5, 2)
        out = []
        for t, other, x in (1, 2, tokens(a)), (2, 1, tokens(b)):
            v = (split(u[t]) @ context[other]).transpose(1, 2).reshape(n, h * w, c)
            x = x + self.linear(torch.cat([y[t], v], 2), f"{at}cross.end_proj{t}")
            out.append(self.layer_norm(x, f"{at}cross.norm{t}", 1e-5))
        x, at = to_map(torch.cat(out, 2), h, w), at + "channel_emb."
        y = self.conv(self.conv(x, at + "channel_embed.0"), at + "channel_embed.1", padding=1, groups=c)
        y = self.batch_norm(self.conv(F.relu(y), at + "channel_embed.3"), at + "channel_embed.4")
        return self.batch_norm(self.conv(x, at + "residual") + y, at + "norm")

    def decoder(self, maps, name, eps):
        size, parts = maps[0].shape[2:], []
        for i in 3, 2, 1, 0:
            h, w = maps[i].shape[2:]
            x = to_map(self.linear(tokens(maps[i]), f"{name}.linear_c{i + 1}.proj"), h, w)
            parts.append(F.interpolate(x, size, mode="bilinear", align_corners=False))
        x = F.relu(self.batch_norm(self.conv(torch.cat(parts, 1), name + ".linear_fuse.0"), name + ".linear_fuse.1", eps))
        return self.conv(x, name + ".linear_pred")

    def score(self, logits, confidence):
        """From logits [N, 2, H, W] and the confidence's logits [N, 1, H, W] to [N]."""
        confidence, difference = confidence.flatten(1), (logits[:, 1] - logits[:, 0]).flatten(1)
        even = torch.full_like(confidence, -math.log(confidence.shape[1]))
        weight = F.logsigmoid(confidence)
        weight = weight - torch.logsumexp(weight, 1, keepdim=True)
        f = torch.cat([pool(confidence, even), pool(difference, weight)], 1)
        return torch.sigmoid(self.linear(F.relu(self.linear(f, "detection.0")), "detection.3"))[:, 0]

    def __call__(self, image):
        """image [N, 3, H, W] in [0, 1): levels divided by 256. Returns both logits [N, 1, H/4, W/4], the map and the
        confidence [N, H, W], and the score [N]. The first logits are the difference of the two classes'."""
        shape = image.shape[2:]
        mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
        a, b = (image - mean) / std, self.fingerprint(image).repeat(1, 3, 1, 1)
        maps = []
        for i in range(4):
            a, b = self.exchange(self.stage(a, TOWERS[0], i), self.stage(b, TOWERS[1], i), i)
            maps.append(self.fusion(a, b, i))
        small = self.decoder(maps, "decode_head", 1e-3), self.decoder(maps, "decode_head_conf", 1e-5)
        logits, confidence = (F.interpolate(x, shape, mode="bilinear", align_corners=False) for x in small)
        return {
            "logits": small[0][:, 1:] - small[0][:, :1], "confidence logits": small[1],
            "map": torch.softmax(logits, 1)[:, 1], "confidence": torch.sigmoid(confidence)[:, 0],
            "score": self.score(logits, confidence),
        }


def pool(x, w):
    """Soft minimum, soft maximum, mean and mean square of x [N, M] with logarithms of weights w: [N, 4]."""
    weight = w.exp()
    return torch.stack([-torch.logsumexp(w - x, 1), torch.logsumexp(w + x, 1), (weight * x).sum(1), (weight * x * x).sum(1)], 1)


def tokens(x):
    return x.flatten(2).transpose(1, 2)


def to_map(x, h, w):
    return x.transpose(1, 2).reshape(len(x), -1, h, w)
