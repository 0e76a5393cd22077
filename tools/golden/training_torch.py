#!/usr/bin/python3
"""PyTorch's side of training: the published conv decoder on a transformer's tokens, one step at a time (forward, backward,
AdamW or plain SGD). For tools/parity it starts from given weights and returns the new ones; for tools/bench it
measures the time.

Reads JSON requests, one per line, and answers each with one line of JSON. The first line lists the installed versions. The argument is the number of
threads.
"""
import json
import os
import sys
import time

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
os.environ["OMP_NUM_THREADS"] = str(THREADS)

try:
    import memory
    import network
    import numpy as np
    import torch
    from bench_torch import read_safetensors
except ImportError:
    torch = None

WIDTHS = (512, 256, 128, 64)


def decoder(channels, depth):
    return network.conv_layers(channels, depth, "", False, WIDTHS)


class Training:
    def __init__(self, r):
        torch.manual_seed(1)
        self.net = decoder(r["channels"], r["depth"])
        self.tokens = torch.randn(r["batch"], 1 + 16 * 16, r["channels"])
        self.target = (torch.rand(r["batch"], 1, 256, 256) > 0.7).float()
        if "weights" in r:
            state = {name[len("fc."):]: t for name, t in read_safetensors(r["weights"])[1].items()}
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
    """One step of a training, which starts with the first request for it; each new tensor is written to its own file. A
    request with "anew" restarts it."""
    if r["name"] not in trainings or r.get("anew"):
        trainings.pop(r["name"], None)
        trainings[r["name"]] = Training(r)
    began = time.perf_counter()
    loss = trainings[r["name"]].step()
    answer = {"seconds": time.perf_counter() - began, "loss": loss,
              "peak": memory.peak()}
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
        except Exception as error:  # reported to the other side, which may stop
            answer = {"error": f"{r['do']}: {type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
