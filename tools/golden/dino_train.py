#!/usr/bin/python3
"""Writes internal/train/testdata/dino_steps.json: twenty training steps of tiny networks on DINOv3, by PyTorch.

One trains adapters of the joint queries, keys and values, and DINOv3-IML's head; the other trains a whole network with
SwiGLU under a linear decoder. Weights are made by the rule of network.py.
"""
import json
import os

import torch
import torch.nn.functional as F
import dino
import network as tiny

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "internal", "train", "testdata", "dino_steps.json")
SIDE, STEPS, RATE, RANK = 32, 20, 1e-3, 4
STRIDE = 11  # every 11th value of a tensor is kept


def batch():
    images = torch.from_numpy(tiny.uniform("images", 2 * 3 * SIDE * SIDE)).float().reshape(2, 3, SIDE, SIDE)
    target = torch.zeros(2, 1, SIDE, SIDE)
    target[0, :, 4:20, 8:30] = 1
    target[1, :, 16:, :12] = 1
    return images, target


def head(t, x, updates):
    """dino.head with the statistics of the batch."""
    p = "seg_head."
    for i in (0, 3):
        x = F.conv2d(x, t[f"{p}{i}.weight"], t[f"{p}{i}.bias"], padding=1)
        at = f"{p}{i + 1}."
        x = F.relu(F.batch_norm(x, updates[at + "running_mean"], updates[at + "running_var"], t[at + "weight"], t[at + "bias"], True, 0.1, 1e-5))
    return F.conv2d(x, t[p + "6.weight"], t[p + "6.bias"])


def train(w, trained, forward):
    values = dict(w.tensors)
    for name in trained:
        values[name] = values[name].clone().requires_grad_()
    optimizer = torch.optim.AdamW([values[n] for n in trained], lr=RATE, weight_decay=0)
    images, target = batch()
    losses = []
    for _ in range(STEPS):
        logits = F.interpolate(forward(values, images), (SIDE, SIDE), mode="bilinear" if "seg_head.0.weight" in values else "bicubic", align_corners=False)
        loss = F.binary_cross_entropy_with_logits(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses, values


def kept(values, names):
    return {n: [float(v) for v in values[n].detach().reshape(-1)[::STRIDE]] for n in names}


def lora():
    c = dino.Config(3, 64, 2, 16, registers=4, mask=True)
    w = tiny.Weights()
    dino.fill(w, c)
    dino.fill_head(w, c.width)
    named = dino.lora_of(w, c, RANK)
    trained = list(named) + [n for n in w.tensors if n.startswith("seg_head.") and "running" not in n]
    statistics = {n: t.clone() for n, t in w.tensors.items() if "running" in n}

    def forward(t, images):
        last = f"layer{c.blocks - 1}-norm"
        x = dino.features(t, c, images, [last], (2.0, t))[last]
        return head(t, dino.to_map(x, c, SIDE // 16, SIDE // 16), statistics)

    losses, values = train(w, trained, forward)
    ends = ["blocks.0.attn.qkv.lora_A.default.weight", "blocks.1.attn.qkv.lora_B.default.weight", "seg_head.0.weight", "seg_head.4.weight"]
    return {"rules": w.rules, "losses": losses, "end": kept(values, ends)}


def whole():
    c = dino.Config(3, 64, 2, 16, registers=4, hidden=128, gated=True, mask=True)
    w = tiny.Weights()
    dino.fill(w, c)
    w.layer("fc.0", 1, c.width)
    trained = [n for n in w.tensors if n != "mask_token"]

    def forward(t, images):
        x = dino.features(t, c, images, ["layer1"])["layer1"]
        return dino.to_map(F.linear(x, t["fc.0.weight"], t["fc.0.bias"]), c, SIDE // 16, SIDE // 16)

    trained = [n for n in trained if not n.startswith("norm.")]  # layer1 does not depend on it
    losses, values = train(w, trained, forward)
    ends = ["cls_token", "storage_tokens", "patch_embed.proj.weight", "blocks.0.ls1.gamma", "blocks.0.mlp.w1.weight", "blocks.1.mlp.w2.weight",
            "blocks.0.attn.proj.weight", "blocks.1.norm2.bias", "fc.0.weight"]
    return {"rules": w.rules, "losses": losses, "end": kept(values, ends)}


if __name__ == "__main__":
    torch.set_num_threads(2)
    with open(OUT, "w") as f:
        json.dump({"stride": STRIDE, "rate": RATE, "lora": lora(), "whole": whole()}, f, separators=(",", ":"))
        f.write("\n")
