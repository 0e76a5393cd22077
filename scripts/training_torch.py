#!/usr/bin/python3
"""PyTorch's side of training: the published conv decoder on a transformer's tokens, one step at a time (forward, backward,
AdamW or plain SGD). For scripts/parity it starts from given weights and tells what became of them; for scripts/bench it takes
its time.

Reads one JSON object a line and answers each with one; begins by saying what it has. The argument is the number of
threads.
"""
import json
import os
import resource
import struct
import sys
import time

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
os.environ["OMP_NUM_THREADS"] = str(THREADS)

try:
    import numpy as np
    import torch
except ImportError:
    torch = None

WIDTHS = (512, 256, 128, 64)


def decoder(channels, depth):
    layers = []
    for width in WIDTHS:
        for _ in range(depth // 4):
            layers += [torch.nn.Conv2d(channels, width, 5, padding=2), torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
            channels = width
        layers.append(torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
    layers.append(torch.nn.Conv2d(channels, 1, 5, padding=2))
    return torch.nn.Sequential(*layers)


def read_safetensors(path):
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + at for at in entry["data_offsets"])
        tensors[name] = torch.from_numpy(np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"]).copy())
    return tensors


class Training:
    def __init__(self, r):
        torch.manual_seed(1)
        self.net = decoder(r["channels"], r["depth"])
        self.tokens = torch.randn(r["batch"], 1 + 16 * 16, r["channels"])
        self.target = (torch.rand(r["batch"], 1, 256, 256) > 0.7).float()
        if "weights" in r:
            state = {name[len("fc."):]: t for name, t in read_safetensors(r["weights"]).items()}
            self.net.load_state_dict(state, strict=False)
            self.tokens = torch.from_numpy(np.fromfile(r["features"], "<f4").reshape(self.tokens.shape))
            self.target = torch.from_numpy(np.fromfile(r["target"], "<f4").reshape(self.target.shape))
        if r.get("double"):
            self.net, self.tokens, self.target = self.net.double(), self.tokens.double(), self.target.double()
        self.net.train()
        if r.get("optimizer") == "sgd":
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=r["rate"])
        else:
            self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-3, weight_decay=0)

    def step(self):
        n, tokens, channels = self.tokens.shape
        x = self.tokens[:, 1:].permute(0, 2, 1).reshape(n, channels, 16, 16)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(self.net(x), self.target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss)


trainings = {}


def step(r):
    """One step of a training, which begins where it is not known yet; the new values go to a file of their own each. Asked for
    anew, it begins again."""
    if r["name"] not in trainings or r.get("anew"):
        trainings.pop(r["name"], None)
        trainings[r["name"]] = Training(r)
    began = time.perf_counter()
    loss = trainings[r["name"]].step()
    answer = {"seconds": time.perf_counter() - began, "loss": loss,
              "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)}
    if "folder" in r:
        for name, t in trainings[r["name"]].net.state_dict().items():
            t.numpy().astype("<f4").tofile(os.path.join(r["folder"], "fc." + name))
        for name, p in trainings[r["name"]].net.named_parameters():
            p.grad.numpy().astype("<f4").tofile(os.path.join(r["folder"], "gradient.fc." + name))
    return answer


def main():
    if torch is not None:
        torch.set_num_threads(THREADS)
    print(json.dumps({"torch": "" if torch is None else torch.__version__}), flush=True)
    for line in sys.stdin:
        r = json.loads(line)
        try:
            answer = {"step": step}[r["do"]](r)
        except Exception as error:  # told to the side that can stop
            answer = {"error": f"{r['do']}: {type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
