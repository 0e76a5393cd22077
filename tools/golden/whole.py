"""Other authors' networks at their published sizes, for parity_torch.py: files in the published layouts with random
weights, pictures of several kinds, and results at the pictures' own size."""
import os
import time
from collections import OrderedDict

import numpy as np
import torch
from PIL import Image

import catnet_torch
import memory
import pscc
import trufor


class CATNet(catnet_torch.Tensors):
    """CAT-Net, whole or over coefficients alone, whose missing tensors come from a generator: there are 114 million."""

    def __init__(self, pixels):
        super().__init__()
        self.pixels, self.generator = pixels, torch.Generator().manual_seed(3)

    def get_tensor(self, name, shape, scale, offset=0.0):
        if name not in self:
            self[name] = torch.rand(shape, generator=self.generator) * (2 * scale) + (offset - scale)
        return self[name]

    def input(self, path):
        return catnet_torch.read_picture(path)

    def __call__(self, x):
        image, coefficients, steps, height, width = x
        return {"map": catnet_torch.probabilities(self, catnet_torch.SIZES, image if self.pixels else None,
                                                  coefficients, steps)[0, :height, :width]}

    def level(self):
        """Makes all tensors, and logits a few units large: where the softmax is flat, differences would not show."""
        g = torch.Generator().manual_seed(5)
        image = torch.rand(1, 3, 64, 64, generator=g) * 2 - 1 if self.pixels else None
        coefficients = (12 * torch.randn(1, 64, 64, generator=g) ** 3).round()
        steps = torch.randint(1, 30, (1, 8, 8), generator=g).float()
        logits = catnet_torch.forward(self, catnet_torch.SIZES, image, coefficients, steps)
        difference = logits[:, 1] - logits[:, 0]
        self["last_layer.3.bias"][1] -= difference.mean()
        for part in "weight", "bias":
            self["last_layer.3." + part] *= 1.5 / difference.std()


class Levels:
    """A network that takes the levels of a picture's pixels, divided by full."""

    def __init__(self, net, full, white):
        self.net, self.full, self.white = net, full, white

    def input(self, path):
        image = Image.open(path)
        levels = np.asarray(image.convert("RGBA" if image.mode == "RGBA" and self.white else "RGB"))
        if levels.shape[2] == 4:  # over white, as PSCC-Net's authors do
            alpha = (levels[:, :, 3:] / 255.0).astype(np.float32)
            levels = (levels[:, :, :3] * alpha + (1 - alpha) * 255).astype(np.uint8)
        return torch.from_numpy(levels.copy()).permute(2, 0, 1)[None].float() / self.full

    def __call__(self, x):
        return self.net(x)


def network(name, tensors):
    """The network of a name on its tensors, a dictionary."""
    if name == "trufor":
        return Levels(trufor.TruFor(tensors, trufor.Sizes()), 256, False)
    if name == "pscc":
        return Levels(pscc.PSCC(tensors, pscc.Sizes()), 255, True)
    net = CATNet(name == "cat-net")
    net.update(tensors)
    return net


def trufor_files(w):
    trufor.fill(w, trufor.Sizes())
    return {"trufor.pth.tar": {"epoch": 81, "best_value": np.float64(0.9), "state_dict": w.tensors}}


def pscc_files(w):
    files = {}
    for name, fill in pscc.FILES.items():
        before = set(w.tensors)
        fill(w, pscc.Sizes())
        files[name + ".pth"] = {"module." + k: t for k, t in w.tensors.items() if k not in before}
    for name, t in w.tensors.items():
        # Attention to one place alone, and a score of 0 or 1, would not show differences, or magnify them.
        if ".theta." in name or ".phi." in name:
            t *= 0.002
        elif name.startswith("classifier.2"):
            t *= 0.05
    return files


def catnet_files(net):
    net.level()
    content = {"epoch": 196, "best_p_mIoU": np.float64(0.8), "state_dict": OrderedDict(net), "optimizer": {"state": {
        140234567890123: {"momentum_buffer": torch.zeros(5)}}, "param_groups": [{"lr": 5e-3}]}}
    return {"CAT_full_v2.pth.tar" if net.pixels else "DCT_only_v2.pth.tar": content}


def make(name, w, folder):
    """Writes the published files of a network with random weights, w being an empty set of them: the network and the
    files' names."""
    if name == "trufor":
        parts, tensors = trufor_files(w), w.tensors
    elif name == "pscc":
        parts, tensors = pscc_files(w), w.tensors
    else:
        tensors = CATNet(name == "cat-net")
        parts = catnet_files(tensors)
    files = []
    for file, content in parts.items():
        files.append(os.path.join(folder, file))
        # CAT-Net's file is of PyTorch 1.1, before there were zip files.
        torch.save(content, files[-1], _use_new_zipfile_serialization=not name.startswith("cat-net"))
    return network(name, tensors), files


def load(name, files):
    """The network in files that make has written."""
    tensors = {}
    for file in files:
        content = torch.load(file, map_location="cpu")
        tensors.update({k.replace("module.", "", 1): t for k, t in content.get("state_dict", content).items()})
    return network(name, tensors)


def pictures(path, folder):
    """Parts of a picture with odd sides, in files of several kinds."""
    image, files = Image.open(path).convert("RGB"), []

    def save(name, part, **options):
        files.append(os.path.join(folder, name))
        part.save(files[-1], **options)

    save("rgb.png", image.crop((0, 0, 301, 227)))
    save("420.jpg", image.crop((40, 30, 317, 220)), quality=88, subsampling=2)
    save("444.jpg", image.crop((100, 60, 287, 205)), quality=93, subsampling=0)
    save("grey.jpg", image.crop((100, 60, 260, 181)).convert("L"), quality=85)
    part = image.crop((200, 200, 387, 345)).convert("RGBA")
    part.putalpha(image.crop((0, 100, 187, 245)).convert("L"))
    save("alpha.png", part)
    return files


def run(net, path, out):
    """Writes the results of a picture to out.map and out.confidence."""
    answer = net(net.input(path))
    for name in "map", "confidence":
        if name in answer:
            answer[name].numpy().astype("<f4").tofile(out + "." + name)
    score = answer.get("score")
    return {"score": None if score is None else float(score), "confidence": "confidence" in answer}


def time_run(net, path):
    """Seconds of a network from its input in memory to its map at the picture's size; peak is the most memory that this
    process has had, in bytes."""
    x = net.input(path)
    began = time.perf_counter()
    net(x)
    return {"seconds": time.perf_counter() - began, "peak": memory.peak()}
