#!/usr/bin/python3
"""PyTorch's side of tools/parity and tools/bench: makes weights files of full size in the published layouts, with
random weights, and computes the published networks on pictures.

Reads JSON requests, one per line, and answers each with one line of JSON. The first line lists the installed versions. The argument is the number of
threads. The networks are those of network.py, at their published sizes.
"""
import json
import os
import sys
import time

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
os.environ["OMP_NUM_THREADS"] = str(THREADS)

try:
    import numpy as np
    import torch
    from PIL import Image
except ImportError:
    torch = None
else:
    import network as tiny
    import whole

VITS = {"ViT-B/32": (768, 32, 12, 7), "ViT-B/16": (768, 16, 12, 14), "ViT-L/14": (1024, 14, 24, 16), "ViT-L/14@336px": (1024, 14, 24, 24)}
RESNETS = {"RN50": (64, [3, 4, 6, 3], 7), "RN101": (64, [3, 4, 23, 3], 7), "RN50x4": (80, [4, 6, 10, 6], 9)}
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Weights:
    """As network.Weights, with values from a generator: there are hundreds of millions."""

    def __init__(self, seed, half=False):
        self.tensors, self.half = {}, half
        self.generator = torch.Generator().manual_seed(seed)

    def add(self, name, shape, scale, offset=0.0):
        t = torch.rand(shape, generator=self.generator) * (2 * scale) + (offset - scale)
        # CLIP is published in half precision; the computation uses these values in float32.
        self.tensors[name] = t.half().float() if self.half else t


    def layer(self, *args, **kwargs):
        tiny.Weights.layer(self, *args, **kwargs)

    def norm(self, *args, **kwargs):
        tiny.Weights.norm(self, *args, **kwargs)

    def block(self, *args, **kwargs):
        tiny.Weights.block(self, *args, **kwargs)


def backbone(name, prefix, seed, half):
    w = Weights(seed, half)
    if name in VITS:
        tiny.fill_vit(w, prefix, *VITS[name])
    elif name in RESNETS:
        tiny.fill_resnet(w, prefix, *RESNETS[name])
    else:
        tiny.fill_xception(w, prefix, [32, 64, 128, 256])
    return w


def side(name):
    if name in VITS:
        return VITS[name][1] * VITS[name][3]
    return 32 * RESNETS[name][2] if name in RESNETS else 224


class Model:
    """One checkpoint: its weights, and the network on them."""

    def __init__(self, r):
        self.archs, self.layer, self.decoder = r["arch"].split(","), r["layer"], r["decoder"]
        self.visual = "model." if self.archs[0] == "xceptionnet" else "model.visual."
        alone = len(self.archs) == 1
        self.backbones = [backbone(a, self.visual if alone else "visual.", 10 + i, not alone or r.get("half", False))
                          for i, a in enumerate(self.archs)]
        self.own = Weights(r.get("seed", 1))

    def features(self, image, i, whole):
        name, w = self.archs[i], self.backbones[i]
        prefix = self.visual if len(self.archs) == 1 else "visual."
        x = image(side(name))
        if name in VITS:
            # The published code runs all blocks and then picks the layer.
            return tiny.vit(w, prefix, x, self.layer, VITS[name][2] if whole else None)
        if name in RESNETS:
            return tiny.resnet(w, prefix, x, "layer3" if i else self.layer)
        return tiny.xception(w, prefix, x)

    def __call__(self, image, whole=False):
        x = self.features(image, 0, whole)
        tokens, cnn = self.archs[0] in VITS, any(a not in VITS for a in self.archs)
        if self.decoder == "attention":
            return tiny.attention(self.own, "", x)
        if self.decoder == "linear" and tokens:
            return tiny.linear_on_tokens(self.own, "", x)
        if self.decoder == "linear" and self.archs[0] == "xceptionnet":
            return tiny.linear_on_positions(self.own, "", x)
        if tokens:
            x = tiny.to_map(x)
        if len(self.archs) > 1:
            second = torch.nn.functional.interpolate(self.features(image, 1, whole), x.shape[2:], mode="bilinear", align_corners=False)
            x = torch.cat([x, second], 1)
        if self.decoder == "linear":
            return tiny.linear_on_channels(self.own, "", x)
        return tiny.conv_decoder(self.own, "", x, int(self.decoder.split("-")[1]), self.layer, cnn)


def write(m, r):
    """Writes a model's files in the published form and returns their names: the checkpoint, then the separate backbones."""
    path = os.path.join(r["folder"], "model.pth")
    state = dict(m.own.tensors)
    if len(m.archs) == 1:
        state = {**m.backbones[0].tensors, **state}
    checkpoint = {
        "model": state, "optimizer": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(5)}}, "param_groups": [{"lr": 1e-3}]},
        "total_steps": 1234, "feature_layer": m.layer or None, "decoder_type": m.decoder,
    }
    torch.save(checkpoint, path, _use_new_zipfile_serialization=not r.get("legacy", False))
    files = [path]
    if len(m.archs) > 1:
        for name, w in zip(m.archs, m.backbones):
            files.append(os.path.join(r["folder"], name.replace("/", "-") + ".pt"))
            torch.jit.save(script(w.tensors), files[-1])
    return files


def script(tensors):
    """A TorchScript module with these tensors in half precision, like CLIP's files."""

    class Node(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    root = Node()
    for name, t in tensors.items():
        at, *rest = root, *name.split(".")
        for part in rest[:-1]:
            if not hasattr(at, part):
                at.add_module(part, Node())
            at = getattr(at, part)
        at.register_buffer(rest[-1], t.half())
    return torch.jit.script(root)


models = {}


def make(r):
    models.clear()
    m = models[r["name"]] = Model(r)
    level(m)
    return {"files": write(m, r)}


def level(m):
    """Makes the decoder and scales its last layer so that logits are a few units large for any random weights. Where the
    sigmoid is flat, differences would not show in the probabilities."""
    logits = m(lambda s: torch.randn(1, 3, s, s, generator=torch.Generator().manual_seed(5)))
    last = [name for name, t in m.own.tensors.items() if name.endswith(".weight") and t.dim() > 1][-1]
    weight, bias = m.own.tensors[last], m.own.tensors[last[: -len("weight")] + "bias"]
    bias -= logits.mean()
    for t in weight, bias:
        t *= 1.5 / logits.std()
    m.own.__dict__.pop("decoder", None)  # has copies


def whole_make(r):
    """Writes another author's network as its published files."""
    models.clear()
    models[r["name"]], files = whole.make(r["name"], Weights(3), r["folder"])
    return {"files": files}


def whole_load(r):
    models.clear()
    models[r["name"]] = whole.load(r["name"], r["files"])
    return {}


def whole_pictures(r):
    return {"files": whole.pictures(r["picture"], r["folder"])}


def whole_run(r):
    return whole.run(models[r["name"]], r["picture"], r["out"])


def whole_time(r):
    return whole.time_run(models[r["name"]], r["picture"])


def load(path, size):
    """The network's input before the normalisation: uint8 [size, size, 3]."""
    return np.asarray(Image.open(path).convert("RGB").resize((size, size), Image.BILINEAR))


def normalised(pictures):
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def run(r):
    m = models[r["name"]]
    logits = m(lambda s: normalised([load(p, s) for p in r["pictures"]]))
    logits.numpy().astype("<f4").tofile(r["logits"])
    return {"deviation": float(logits.std()), "largest": float(logits.abs().max())}


def pixels(r):
    load(r["picture"], r["side"]).tofile(r["out"])
    return {}


def time_run(r):
    """Seconds of the published computation, pictures in memory."""
    m = models[r["name"]]
    image = torch.randn(r["batch"], 3, 224, 224)
    began = time.perf_counter()
    m(lambda s: image, whole=True)
    return {"seconds": time.perf_counter() - began}


def products(r):
    """Speed of matrix products in GFLOP/s."""
    a = torch.randn(1024, 1024)
    a @ a
    began = time.perf_counter()
    for _ in range(5):
        a @ a
    return {"gflops": 5 * 2 * 1.024**3 / (time.perf_counter() - began)}


def main():
    if torch is not None:
        torch.set_num_threads(THREADS)
        tiny.WIDTHS[:] = [512, 256, 128, 64]
    print(json.dumps({"torch": "" if torch is None else torch.__version__}), flush=True)
    for line in sys.stdin:
        r = json.loads(line)
        try:
            with torch.inference_mode():
                answer = {"make": make, "run": run, "pixels": pixels, "time": time_run,
                          "products": products, "whole make": whole_make, "whole load": whole_load,
                          "whole pictures": whole_pictures, "whole run": whole_run, "whole time": whole_time}[r["do"]](r)
        except Exception as error:  # reported to the other side, which may stop
            answer = {"error": f"{r['do']}: {type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
