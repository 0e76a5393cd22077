#!/usr/bin/python3
"""Writes PyTorch's results for copies with few channels of other authors' networks.

internal/nn/network/testdata has the outputs of the networks for pictures whose levels, 0 to 255, are made by the rule of
network.py, like the weights. internal/localize/published/testdata has picture files and what is told about each: the map,
the confidence and the score, from pixels that Pillow decoded.

Needs Debian's python3-torch and python3-pil; the tests themselves don't.
"""
import base64
import json
import os

import numpy as np
import torch
from PIL import Image

import network
import pscc
import trufor

INTERNAL = os.path.join(os.path.dirname(__file__), "..", "..", "internal")
OUT = os.path.join(INTERNAL, "nn", "network", "testdata")
PICTURES = os.path.join(INTERNAL, "localize", "published", "testdata")
STEP = 5  # of the rows and columns that are kept of maps at the picture's size


def levels(height, width):
    """[1, 3, height, width], each value a whole number from 0 to 255."""
    u = network.uniform(f"levels{height}x{width}", 3 * height * width)
    return torch.from_numpy(((u + 1) * 128).astype("int64")).reshape(1, 3, height, width)


def kept(outputs):
    """Outputs as the tests read them: shape and little-endian float32."""
    return {name: [list(x.shape), base64.b64encode(x.contiguous().numpy().astype("<f4").tobytes()).decode()]
            for name, x in outputs.items()}


def make_pictures():
    """Writes the picture files: every subsampling, sides that are no multiples of 8, alpha and a palette."""
    os.makedirs(PICTURES, exist_ok=True)

    def scene(width, height, channels, shift):
        y, x = np.mgrid[0:height, 0:width]
        noise = network.uniform(f"scene{width}x{height}x{channels}", height * width * channels).reshape(height, width, channels)
        waves = [np.sin(x / (5 + 2 * c) + shift) + np.cos(y / (4 + 3 * c)) for c in range(channels)]
        levels = 128 + 45 * np.stack(waves, 2) + 18 * noise
        levels[height // 3:height // 2, width // 4:width // 2] += 40
        return levels.clip(0, 255).astype(np.uint8)

    def save(name, levels, mode, **options):
        Image.fromarray(levels.squeeze(), mode).save(os.path.join(PICTURES, name), **options)

    save("420.jpg", scene(93, 77, 3, 0), "RGB", quality=85, subsampling=2)
    save("444.jpg", scene(61, 70, 3, 1), "RGB", quality=92, subsampling=0)
    save("grey.jpg", scene(66, 59, 1, 2), "L", quality=80)
    save("plain.png", scene(71, 53, 3, 3), "RGB")
    save("alpha.png", scene(58, 67, 4, 4), "RGBA")
    Image.fromarray(scene(49, 63, 3, 5)).quantize(32).save(os.path.join(PICTURES, "palette.png"))


def pictures():
    return sorted(name for name in os.listdir(PICTURES) if not name.endswith(".json"))


def kept_of_picture(out):
    """What is kept of the answer for a picture: every STEP-th row and column of its maps, and the score."""
    maps = {name: x[:, ::STEP, ::STEP] if x.dim() == 3 else x for name, x in out.items()}
    return kept(maps)


def write(name, rules, cases, folder=OUT):
    path = os.path.join(folder, name + ".json")
    with open(path, "w") as f:
        f.write('{"rules": [\n' + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rules))
        f.write('],\n"cases": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]}\n")
    print(path, os.path.getsize(path), "bytes")


def golden_trufor():
    w = network.made(trufor.fill, trufor.SMALL)
    net, cases = trufor.TruFor(w.tensors, trufor.SMALL), []
    for height, width in (64, 64), (61, 87), (45, 33):
        out = net(levels(height, width).float() / 256)
        cases.append({"height": height, "width": width, "outputs": kept({
            "logits": out["logits"], "confidence": out["confidence logits"], "score": out["score"]})})
        print({name: (float(x.min()), float(x.max())) for name, x in out.items()})
    write("trufor", w.rules, cases)
    cases = []
    for file in pictures():
        levels8 = np.asarray(Image.open(os.path.join(PICTURES, file)).convert("RGB"))
        out = net(torch.from_numpy(levels8.copy()).permute(2, 0, 1)[None].float() / 256)
        cases.append({"file": file, "outputs": kept_of_picture({name: out[name] for name in ("map", "confidence", "score")})})
    write("trufor", w.rules, cases, PICTURES)


def golden_pscc():
    w, by_file = network.Weights(), {}
    for name, fill in pscc.FILES.items():
        before = len(w.rules)
        fill(w, pscc.SMALL)
        by_file[name] = len(w.rules) - before
    net, cases = pscc.PSCC(w.tensors, pscc.SMALL), []
    for height, width in (64, 64), (61, 87):
        out = net(levels(height, width).float() / 255)
        cases.append({"height": height, "width": width, "outputs": kept({
            "probabilities": out["masks"][0][:, :, ::STEP, ::STEP], "score": out["score"]})})
        print({name: (float(x.min()), float(x.max())) for name, x in out.items() if name != "masks"})
    write("pscc", w.rules, cases)
    cases = []
    for file, side in [(file, 0) for file in pictures()] + [("420.jpg", 256), ("444.jpg", 48)]:
        image = Image.open(os.path.join(PICTURES, file)).convert("RGBA" if "alpha" in file else "RGB")
        size = image.size
        levels8 = np.asarray(image.resize((side, side), Image.BICUBIC) if side else image)
        if levels8.shape[2] == 4:  # over white, as the published code does
            alpha = (levels8[:, :, 3:] / 255.0).astype(np.float32)
            levels8 = (levels8[:, :, :3] * alpha + (1 - alpha) * 255).astype(np.uint8)
        out = net(torch.from_numpy(levels8.copy()).permute(2, 0, 1)[None].float() / 255)
        full = torch.nn.functional.interpolate(out["masks"][0], size[::-1], mode="bilinear", align_corners=True)[:, 0]
        cases.append({"file": file, "input": side, "outputs": kept_of_picture({"map": full, "score": out["score"]})})
    write("pscc", w.rules, cases, PICTURES)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_pictures()
    with torch.inference_mode():
        golden_trufor()
        golden_pscc()
