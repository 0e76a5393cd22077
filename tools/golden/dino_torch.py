#!/usr/bin/python3
"""PyTorch's side of tools/parity and tools/bench for DINOv2, DINOv3 and DINOv3-IML: makes files of full size in three namings,
with random weights, and computes their features and maps, times and training steps.

Reads JSON requests, one per line, and answers each with one line of JSON. The first line lists the installed versions. The
argument is the number of threads.
"""
import argparse
import json
import os
import struct
import sys
import time

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
os.environ["OMP_NUM_THREADS"] = str(THREADS)

import dino
import memory

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from PIL import Image
    from parity_torch import Weights
except ImportError:
    torch = None

SIZES = {
    "dinov2-vits14": (2, 384, 12, 14, 0, 37, 0, False), "dinov2-vits14-reg": (2, 384, 12, 14, 4, 37, 0, False),
    "dinov2-vitb14": (2, 768, 12, 14, 0, 37, 0, False), "dinov2-vitb14-reg": (2, 768, 12, 14, 4, 37, 0, False),
    "dinov2-vitl14": (2, 1024, 24, 14, 0, 37, 0, False), "dinov2-vitl14-reg": (2, 1024, 24, 14, 4, 37, 0, False),
    "dinov2-vitg14": (2, 1536, 40, 14, 0, 37, 4096, True), "dinov2-vitg14-reg": (2, 1536, 40, 14, 4, 37, 4096, True),
    "dinov3-vits16": (3, 384, 12, 16, 4, 0, 0, False), "dinov3-vits16plus": (3, 384, 12, 16, 4, 0, 1536, True),
    "dinov3-vitb16": (3, 768, 12, 16, 4, 0, 0, False), "dinov3-vitl16": (3, 1024, 24, 16, 4, 0, 0, False),
    "dinov3-vith16plus": (3, 1280, 32, 16, 4, 0, 5120, True),
}
TYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}


def config(name):
    return dino.Config(*SIZES[name], mask=name.startswith("dinov3"))


def write_safetensors(path, tensors, dtype):
    """Writes tensors as safetensors; those of more than one dimension in the type."""
    header, at, parts = {}, 0, []
    for name, t in tensors.items():
        kind = "F32"
        if t.dtype == torch.bfloat16:
            kind = "BF16"
        elif dtype == "fp16" and t.dim() > 1:
            t, kind = t.half(), "F16"
        elif dtype == "bf16" and t.dim() > 1:
            t, kind = t.bfloat16(), "BF16"
        data = (t.contiguous().view(torch.int16) if kind == "BF16" else t.contiguous()).numpy().tobytes()
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for data in parts:
            f.write(data)


class State:
    config = tensors = lora = None


def make(r):
    """Makes a backbone and writes it in a naming."""
    State.config, w = config(r["name"]), Weights(7)
    dino.fill(w, State.config)
    State.tensors, State.lora = w.tensors, None
    dtype = r.get("dtype", "fp32")
    if dtype != "fp32":  # the computation uses the stored values
        for name, t in w.tensors.items():
            if t.dim() > 1:
                w.tensors[name] = (t.half() if dtype == "fp16" else t.bfloat16()).float()
    made = {e[0]: dino.made(e, w.tensors, State.config) for e in dino.NAMINGS[r["naming"]](State.config)}
    path = os.path.join(r["folder"], "backbone" + (".pth" if r["naming"] == "meta" and dtype == "fp32" else ".safetensors"))
    if path.endswith(".pth"):
        torch.save(made, path)
    else:
        write_safetensors(path, made, dtype)
    return {"files": [path]}


def make_iml(r):
    """Makes a checkpoint of DINOv3-IML as its training stores it."""
    c, w = config(r["name"]), Weights(7)
    dino.fill(w, c)
    dino.fill_head(w, c.width)
    named = dino.lora_of(w, c, r["rank"]) if r["rank"] else {}
    State.config, State.tensors, State.lora = c, w.tensors, (2.0, named) if named else None
    level()
    state = {}
    for name, how, sources in dino.meta_naming(c, True):
        if named:
            name = name.replace("attn.qkv.", "attn.qkv.base_layer.")
        t = dino.made([name, how, sources], w.tensors, c)
        state["backbone." + name] = t.float()
    for name, t in w.tensors.items():
        if name.startswith("seg_head."):
            state[name] = t
        elif "lora_" in name:
            state["backbone." + name] = t
    state["seg_head.1.num_batches_tracked"] = state["seg_head.4.num_batches_tracked"] = torch.tensor(3)
    path = os.path.join(r["folder"], "checkpoint-48.pth")
    torch.save({"model": state, "optimizer": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(5)}}, "param_groups": [{"lr": 1e-3}]},
                "epoch": 48, "scaler": {"scale": 65536.0}, "args": argparse.Namespace(lr=3e-4, batch_size=32)}, path)
    return {"files": [path]}


def level():
    """Scales the head's last layer so that logits are a few units large."""
    t = State.tensors
    out = dino.logits(t, State.config, torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(5)), State.lora)
    t["seg_head.6.bias"] -= out.mean()
    for name in ("seg_head.6.weight", "seg_head.6.bias"):
        t[name] *= 1.5 / out.std()


def features(r):
    """Features of a picture of noise, and its levels in [0,1]."""
    levels = torch.rand(1, 3, r["height"], r["width"], generator=torch.Generator().manual_seed(r["height"]))
    levels.numpy().astype("<f4").tofile(r["out"] + ".levels")
    found = dino.features(State.tensors, State.config, dino.normalised(levels), r["layers"])
    for name, t in found.items():
        t.numpy().astype("<f4").tofile(r["out"] + "." + name)
    return {}


def iml(r):
    """The probabilities of a picture file at its own size: stretched to 512 by Pillow, enlarged by torch."""
    image = Image.open(r["picture"]).convert("RGB")
    x = torch.from_numpy(np.asarray(image.resize((512, 512), Image.BILINEAR)).copy()).permute(2, 0, 1)[None].float() / 255
    prob = torch.sigmoid(dino.logits(State.tensors, State.config, dino.normalised(x), State.lora))
    prob = F.interpolate(prob, (image.height, image.width), mode="bilinear", align_corners=False)
    prob.numpy().astype("<f4").tofile(r["out"])
    return {}


def time_run(r):
    """Seconds of DINOv3-IML's computation, or of a backbone's without a head."""
    image = torch.randn(1, 3, r["side"], r["side"])
    if "seg_head.0.weight" in State.tensors and State.lora and "merged" not in r:
        merge()
    began = time.perf_counter()
    if "seg_head.0.weight" in State.tensors:
        dino.logits(State.tensors, State.config, image)
    else:
        last = f"layer{State.config.blocks - 1}-norm"
        dino.features(State.tensors, State.config, image, [last])
    return {"seconds": time.perf_counter() - began, "peak": memory.peak()}


def merge():
    """Adds the adapters to the weights, as for inference."""
    scale, named = State.lora
    for i in range(State.config.blocks):
        at = f"blocks.{i}.attn.qkv"
        State.tensors[at + ".weight"] += scale * named[at + ".lora_B.default.weight"] @ named[at + ".lora_A.default.weight"]
    State.lora = None


class Training:
    """Adapters and DINOv3-IML's head, trained on noise."""

    def __init__(self, r):
        c = State.config
        _, self.lora = State.lora
        self.values = dict(State.tensors)
        trained = list(self.lora) + [n for n in self.values if n.startswith("seg_head.") and "running" not in n]
        for n in trained:
            self.values[n] = self.values[n].clone().requires_grad_()
        self.optimizer = torch.optim.AdamW([self.values[n] for n in trained], lr=1e-4, weight_decay=0)
        self.images = torch.randn(r["batch"], 3, r["side"], r["side"])
        self.target = (torch.rand(r["batch"], 1, r["side"], r["side"]) > 0.9).float()

    def step(self):
        c, t = State.config, self.values
        last = f"layer{c.blocks - 1}-norm"
        x = dino.features(t, c, self.images, [last], (2.0, t))[last]
        side = self.images.shape[2] // c.patch
        x = dino.to_map(x, c, side, side)
        for i in (0, 3):
            at = f"seg_head.{i + 1}."
            x = F.conv2d(x, t[f"seg_head.{i}.weight"], t[f"seg_head.{i}.bias"], padding=1)
            x = F.relu(F.batch_norm(x, t[at + "running_mean"], t[at + "running_var"], t[at + "weight"], t[at + "bias"], True, 0.1, 1e-5))
        x = F.conv2d(x, t["seg_head.6.weight"], t["seg_head.6.bias"])
        x = F.interpolate(x, self.images.shape[2:], mode="bilinear", align_corners=False)
        loss = F.binary_cross_entropy_with_logits(x, self.target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss)


training = []


def step(r):
    """Seconds of a training step; the first request makes the training."""
    with torch.inference_mode(False), torch.enable_grad():
        if not training:
            State.tensors = {n: t.clone() for n, t in State.tensors.items()}
            State.lora = (2.0, {n: State.tensors[n] for n in State.lora[1]})
            training.append(Training(r))
        began = time.perf_counter()
        training[0].step()
        return {"seconds": time.perf_counter() - began, "peak": memory.peak()}


def main():
    if torch is not None:
        torch.set_num_threads(THREADS)
    print(json.dumps({"torch": "" if torch is None else torch.__version__}), flush=True)
    for line in sys.stdin:
        r = json.loads(line)
        try:
            with torch.inference_mode():
                answer = {"make": make, "iml make": make_iml, "features": features, "iml": iml, "time": time_run, "step": step}[r["do"]](r)
        except Exception as error:  # reported to the other side, which may stop
            answer = {"error": f"{r['do']}: {type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
