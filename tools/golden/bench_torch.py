#!/usr/bin/python3
"""The other side of tools/bench: the same networks in PyTorch, in its default memory layout, and the same
scores in NumPy.

Reads JSON requests, one per line, and answers each with one line of JSON. The first line lists the installed versions. Started by
tools/bench, with the number of threads as its argument.
"""
import json
import os
import struct
import sys
import time

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
os.environ["OMP_NUM_THREADS"] = str(THREADS)

try:
    import numpy as np
except ImportError:
    np = None
try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None

STD = (0.26862954, 0.26130258, 0.27577711)


def read_safetensors(path):
    """Metadata and float32 tensors of a file: a length, a JSON header, the numbers."""
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
        begin, end = (8 + length + at for at in entry["data_offsets"])
        values = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return metadata, tensors


class Net:
    """A network as a function over named tensors."""

    def __init__(self, path):
        metadata, self.t = read_safetensors(path)
        self.spec = json.loads(metadata["declip.spec"])
        self.training = False
        self.optimizer = None
        self.high_pass = high_pass_kernel()
        self.cosines = cosine_kernel()

    def conv(self, x, name, stride=1, pad=0, dilation=1, groups=1):
        return F.conv2d(x, self.t[name + ".weight"], self.t.get(name + ".bias"), stride, pad, dilation, groups)

    def norm(self, x, name):
        t = self.t
        return F.batch_norm(x, t[name + ".running_mean"], t[name + ".running_var"], t[name + ".weight"],
                            t[name + ".bias"], self.training, 0.1, 1e-5)

    def separable(self, x, name, dilation=1):
        x = self.conv(x, name + ".conv1", pad=dilation, dilation=dilation, groups=x.shape[1])
        return self.conv(x, name + ".pointwise")

    def block(self, x, name, start_with_relu):
        skip = self.norm(self.conv(x, name + ".skip", stride=2), name + ".skipbn")
        at = 0
        if start_with_relu:
            x, at = F.relu(x), 1
        x = self.separable(x, f"{name}.rep.{at}")
        x = F.relu(self.norm(x, f"{name}.rep.{at + 1}"))
        x = self.separable(x, f"{name}.rep.{at + 3}")
        x = self.norm(x, f"{name}.rep.{at + 4}")
        return F.max_pool2d(x, 3, 2, 1) + skip

    def __call__(self, x):
        if self.spec["arch"] == "xceptionnet-lite":
            return self.lite(x)
        return self.decode(self.xception(x))

    def xception(self, x):
        x = F.relu(self.norm(self.conv(x, "conv1", stride=2), "bn1"))
        x = F.relu(self.norm(self.conv(x, "conv2"), "bn2"))
        return self.block(self.block(x, "block1", False), "block2", True)

    def decode(self, x):
        side = self.spec["output"]
        if self.spec["decoder"] == "linear":
            return F.interpolate(self.conv(x, "fc.0"), (side, side), mode="bicubic", align_corners=False)
        at = 0
        for _ in range(4):
            for _ in range(int(self.spec["decoder"].split("-")[1]) // 4):
                x = F.relu(self.norm(self.conv(x, f"fc.{at}", pad=2), f"fc.{at + 1}"))
                at += 3
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            at += 1
        x = F.interpolate(x, (side, side), mode="bilinear", align_corners=False)
        return self.conv(x, f"fc.{at + 1}", pad=2)

    def lite(self, x):
        unknown = {"evidence", "lora"} & set(self.spec)
        assert not unknown and self.spec.get("pool", "max") == "max", f"not written in PyTorch: {self.spec}"
        picture = x
        if self.spec.get("residual"):
            x = torch.tanh(F.conv2d(x, self.high_pass, padding=1))
        x = F.relu(self.norm(self.conv(x, "conv1", stride=2, pad=1), "bn1"))
        x = F.relu(self.norm(self.conv(x, "conv2", pad=1), "bn2"))
        block1 = self.block(x, "block1", False)
        block2 = self.block(block1, "block2", True)
        wide = F.relu(block2)
        if self.spec.get("dct"):
            wide = torch.cat([wide, self.jpeg_blocks(picture)], 1)
        u = self.norm(self.conv(wide, "context.in"), "context.in_bn")
        x = torch.cat([F.relu(u), deviation(u)], 1)
        x = F.relu(self.norm(self.conv(x, "context.join"), "context.join_bn"))
        for i, d in enumerate(self.spec["dilations"]):
            y = self.separable(x, f"context.block{i}", d)
            x = x + F.relu(self.norm(y, f"context.block{i}.bn"))
        context = x
        x = self.norm(self.conv(x, "context.up"), "context.up_bn")
        x = F.interpolate(x, block1.shape[2:], mode="bilinear", align_corners=False)
        x = F.relu(x + self.norm(self.conv(F.relu(block1), "context.side"), "context.side_bn"))
        x = F.relu(self.norm(self.separable(x, "context.fine"), "context.fine_bn"))
        logits = self.conv(x, "context.out")
        if self.spec["decoder"] != "pyramid":
            return logits
        return logits + self.pyramid(logits, torch.cat([wide, context], 1))

    def pyramid(self, logits, features):
        """What the pyramid decoder adds to the logits, from them and the features at stride 8."""
        x = self.learnt(torch.log(features + 1), "pyramid.features")
        x = self.learnt(torch.cat([torch.tanh(F.pixel_unshuffle(logits, 2) / 6), x], 1), "pyramid.in", pad=1)
        seen = []
        for stride, down in ((8, 1), (16, 2), (32, 2), (64, 2)):
            if stride > 8:
                x = self.learnt(F.max_pool2d(x, 3, 2, 1), f"pyramid.{stride}.in", pad=1)
            x = self.residuals(x, f"pyramid.{stride}.down", down)
            seen.append(x)
        whole = torch.cat([x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)], 1)
        x = x + self.conv(F.relu(self.conv(whole, "pyramid.whole.in")), "pyramid.whole.out")
        for stride, up, side in ((32, 1, seen[2]), (16, 1, seen[1]), (8, 2, seen[0])):
            name = f"pyramid.{stride}"
            x = self.norm(self.conv(x, name + ".coarse"), name + ".coarse.bn")
            side = self.norm(self.conv(side, name + ".side"), name + ".side.bn")
            x = F.relu(F.interpolate(x, side.shape[2:], mode="bilinear", align_corners=False) + side)
            x = self.residuals(x, name + ".up", up)
        return F.pixel_shuffle(self.conv(x, "pyramid.out"), 2)

    def learnt(self, x, name, pad=0):
        return F.relu(self.norm(self.conv(x, name, pad=pad), name + ".bn"))

    def residuals(self, x, name, count):
        for i in range(count):
            x = x + self.learnt(x, f"{name}{i}", pad=1)
        return x

    def jpeg_blocks(self, x):
        size = F.conv2d(x, self.cosines, stride=8).abs()
        y = torch.cat([torch.tanh(size / 1.5), torch.tanh(size / 6)], 1)
        y = F.relu(self.norm(self.conv(y, "dct.in"), "dct.in_bn"))
        return F.relu(self.norm(self.separable(y, "dct.mix"), "dct.mix_bn"))

    def train(self):
        """Makes everything but running statistics trainable."""
        self.training = True
        trained = [v.requires_grad_() for k, v in self.t.items() if ".running_" not in k]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0)


def deviation(u):
    centred = u - u.mean((2, 3), keepdim=True)
    spread = ((centred * centred).mean((2, 3), keepdim=True) + 1e-5).sqrt()
    return centred / (spread + 0.1)


def high_pass_kernel():
    """[8,3,3,3]: the three channels halved, five second differences in units of 6 levels."""
    both = [-.25, .5, -.25, .5, -1, .5, -.25, .5, -.25]
    horizontal = [0, 0, 0, .5, -1, .5, 0, 0, 0]
    vertical = [0, .5, 0, 0, -1, 0, 0, .5, 0]
    laplacian = [0, .25, 0, .25, -1, .25, 0, .25, 0]
    luma, blue, red = (.299, .587, .114), (-.299, -.587, .886), (.701, -.587, -.114)
    kernel = torch.zeros(8, 3, 9)
    for c in range(3):
        kernel[c, c, 4] = 0.5
    rows = ((luma, both), (luma, horizontal), (luma, vertical), (blue, laplacian), (red, laplacian))
    for i, (colour, taps) in enumerate(rows):
        for c in range(3):
            kernel[3 + i, c] = torch.tensor(taps) * colour[c] * 255 * STD[c] / 6
    return kernel.view(8, 3, 3, 3)


def cosine_kernel():
    """[64,3,8,8]: JPEG's 8 x 8 cosine transform of the luma in levels."""
    places, waves = torch.arange(8.), torch.arange(8.)
    basis = torch.cos((2 * places[None] + 1) * waves[:, None] * torch.pi / 16) / 2
    basis[0] /= 2 ** 0.5
    kernel = torch.einsum("uy,vx->uvyx", basis, basis).reshape(64, 1, 8, 8)
    luma = torch.tensor([.299, .587, .114]) * 255 * torch.tensor(STD)
    return kernel * luma.view(1, 3, 1, 1)


nets = {}


def net(path, use):
    """The network in a file: one for running, one for training, each read once."""
    if (path, use) not in nets:
        nets[path, use] = Net(path)
    return nets[path, use]


def forward(r):
    n, side = net(r["file"], "forward"), r["side"]
    image = torch.from_numpy(np.fromfile(r["image"], "<f4").reshape(1, 3, side, side))
    with torch.inference_mode():
        began = time.perf_counter()
        logits = n(image)
        seconds = time.perf_counter() - began
    ours = torch.from_numpy(np.fromfile(r["logits"], "<f4")).view(logits.shape)
    return {"seconds": seconds, "difference": float((logits - ours).abs().max() / logits.abs().max())}


def step(r):
    n = net(r["file"], "step")
    if n.optimizer is None:
        torch.manual_seed(1)
        n.train()
        n.image = torch.randn(r["batch"], 3, r["side"], r["side"])
        n.target = (torch.rand(r["batch"], 1, r["target"], r["target"]) > 0.7).float()
    began = time.perf_counter()
    n.optimizer.zero_grad(set_to_none=True)
    F.binary_cross_entropy_with_logits(n(n.image), n.target).backward()
    n.optimizer.step()
    return {"seconds": time.perf_counter() - began}


def slide(a, size, pick, padding):
    """Minimum or maximum over size x size windows, one axis after the other."""
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (size // 2, size // 2)
        padded = np.pad(a, width, constant_values=padding)
        out = a
        for i in range(size):
            out = pick(out, np.take(padded, range(i, i + a.shape[axis]), axis))
        a = out
    return a


def evaluate(r):
    prob = np.fromfile(r["prob"], "<f4").reshape(r["h"], r["w"])
    truth = np.fromfile(r["mask"], np.uint8).reshape(r["h"], r["w"])
    if r["by"] == "torch":
        import published_metrics
        prob, truth = torch.from_numpy(prob), torch.from_numpy(truth) > 0
        score_by = published_metrics.scores
    else:
        score_by = score
    began = time.perf_counter()
    scores = score_by(prob, truth)
    return {"seconds": time.perf_counter() - began, "scores": scores}


def score(prob, truth):
    g, p = truth > 0, prob > 0.5
    iou = ((p & g).sum() + 1e-8) / ((p | g).sum() + 1e-8)
    sure = (slide(truth, 15, np.minimum, 1) > 0) | (slide(truth, 11, np.maximum, 0) == 0)
    s, label = prob[sure], g[sure]

    def f1(tp, fp, fn):
        return (2 * tp + 1e-32) / np.maximum(2 * tp + fn + fp, 1e-32)

    fixed = f1((label & (s > 0.5)).sum(), (~label & (s > 0.5)).sum(), (label & (s <= 0.5)).sum())
    order = np.argsort(s)
    s, label = s[order], label[order]
    last = np.flatnonzero(np.diff(s))  # the last element of each tie group except the highest
    fn = np.cumsum(label)[last]
    tn = last + 1 - fn
    best = max(fixed, f1(label.sum() - fn, (~label).sum() - tn, fn).max())

    order = np.argsort(-prob.ravel(), kind="stable")
    s, label = prob.ravel()[order], g.ravel()[order]
    last = np.append(np.flatnonzero(np.diff(s)), s.size - 1)
    tp = np.cumsum(label)[last].astype(float)
    fp = last + 1 - tp
    recall = np.append(0, tp / tp[-1])
    ap = (np.diff(recall) * tp / (tp + fp)).sum()
    auc = np.trapz(recall, np.append(0, fp / fp[-1]))
    return {"iou": 100 * float(iou), "f1_fixed": float(fixed), "f1_best": float(best), "ap": float(ap), "auc": float(auc)}


def main():
    if torch is not None:
        torch.set_num_threads(THREADS)
    print(json.dumps({
        "torch": "" if torch is None or np is None else torch.__version__,
        "numpy": "" if np is None else np.__version__,
    }), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"forward": forward, "step": step, "evaluate": evaluate}[request["do"]](request)
        except Exception as error:  # reported to the other side, which may stop
            answer = {"error": f"{request['do']}: {type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
