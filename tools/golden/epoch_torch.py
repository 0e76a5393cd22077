#!/usr/bin/python3
"""PyTorch's side of a published epoch, for tools/bench. Every picture is read, goes through all blocks of the frozen
transformer without gradients and through one step of the decoder. Validation pictures go through both and are scored at
full resolution.

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
    import numpy as np
    import torch
    from PIL import Image
    import network as tiny
    import parity_torch as published
    from bench_torch import score
    from training_torch import decoder
except ImportError:
    torch = None


class Epoch:
    """The trained network at full size, with random weights."""

    def __init__(self, r):
        torch.manual_seed(1)
        self.blocks = published.VITS["ViT-L/14"][2]
        self.layer = r["layer"]
        self.backbone = published.backbone("ViT-L/14", "", 10, True)
        self.linear = r["decoder"] == "linear"
        self.decoder = torch.nn.Linear(1024, 1) if self.linear else decoder(1024, int(r["decoder"].split("-")[1]))
        for module in self.decoder.modules():
            if hasattr(module, "weight"):
                torch.nn.init.normal_(module.weight, 0, 0.02)
        self.optimizer = torch.optim.AdamW(self.decoder.parameters(), lr=1e-3, weight_decay=0)

    def logits(self, pictures):
        image = published.normalised([published.load(p, 224) for p in pictures])
        with torch.no_grad():
            tokens = tiny.vit(self.backbone, "", image, self.layer, self.blocks)
        if not self.linear:
            return self.decoder(tiny.to_map(tokens))
        places = self.decoder(tokens[:, 1:]).reshape(len(pictures), 1, 16, 16)
        return torch.nn.functional.interpolate(places, (256, 256), mode="bicubic", align_corners=False)

    def train(self, r):
        self.decoder.train()
        masks = [np.asarray(Image.open(m).convert("L").resize((256, 256), Image.BILINEAR)) for m in r["masks"]]
        target = torch.from_numpy(np.stack(masks)).float().unsqueeze(1) / 255
        loss = torch.nn.functional.binary_cross_entropy_with_logits(self.logits(r["pictures"]), target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss)

    def validate(self, r):
        self.decoder.eval()
        with torch.no_grad():
            prob = torch.sigmoid(self.logits(r["pictures"]))
        for p, path in zip(prob, r["masks"]):
            truth = (np.asarray(Image.open(path).convert("L")) > 127).astype(np.uint8)
            whole = torch.nn.functional.interpolate(p[None], truth.shape, mode="bilinear", align_corners=False)
            score(whole[0, 0].numpy(), truth)


def main():
    epoch = None
    if torch is not None:
        torch.set_num_threads(THREADS)
    print(json.dumps({"torch": "" if torch is None else torch.__version__}), flush=True)
    for line in sys.stdin:
        r = json.loads(line)
        try:
            if epoch is None:
                epoch = Epoch(r)
            began = time.perf_counter()
            {"train": epoch.train, "validate": epoch.validate}[r["do"]](r)
            answer = {"seconds": time.perf_counter() - began}
        except Exception as error:  # reported to the other side, which may stop
            answer = {"error": f"{r['do']}: {type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
