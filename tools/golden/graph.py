"""Golden values for internal/nn/graph: forward, gradients and one optimizer step of
three composites, computed by PyTorch in float64 and stored as float32.

    /usr/bin/python3 tools/golden/graph.py

writes internal/nn/graph/testdata/*.json. Needs torch (made with 1.13); the tests
need only the files.
"""

import base64
import json
import os

import torch
from torch import nn
import torch.nn.functional as F

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "internal", "nn", "graph", "testdata")
RATE, DECAY, STEPS_BEFORE = 1e-2, 0.05, 2


def rounded(t):
    """The nearest float32 values, as float64; the Go side gets the same values."""
    return t.detach().float().double()


class XceptionBlock(nn.Module):
    """ReLU, separable, BN, ReLU, separable, BN, max pool; plus a strided skip."""

    def __init__(self, c, k):
        super().__init__()
        self.depth1 = nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False)
        self.point1 = nn.Conv2d(c, k, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(k)
        self.depth2 = nn.Conv2d(k, k, 3, padding=1, groups=k, bias=False)
        self.point2 = nn.Conv2d(k, k, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(k)
        self.skip = nn.Conv2d(c, k, 1, stride=2, bias=False)
        self.skipbn = nn.BatchNorm2d(k)

    def forward(self, x):
        y = self.bn1(self.point1(self.depth1(F.relu(x))))
        y = self.bn2(self.point2(self.depth2(F.relu(y))))
        return F.max_pool2d(y, 3, 2, 1) + self.skipbn(self.skip(x))


class VitBlock(nn.Module):
    """x += MHA(LN(x)) with a causal mask; x += MLP(LN(x)) with QuickGELU."""

    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x):
        t = x.shape[1]
        mask = torch.full((t, t), float("-inf"), dtype=x.dtype).triu(1)
        h = self.ln_1(x)
        x = x + self.attn(h, h, h, need_weights=False, attn_mask=mask)[0]
        h = self.c_fc(self.ln_2(x))
        return x + self.c_proj(h * torch.sigmoid(1.702 * h))


class ConvDecoder(nn.Module):
    """Two stages of 5x5 convolutions with BN and x2 upsampling, then logits
    resized to an odd size."""

    def __init__(self, c):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, 4, 5, padding=2), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 3, 5, padding=2), nn.BatchNorm2d(3)
        self.last = nn.Conv2d(3, 1, 5, padding=2)

    def forward(self, x):
        up = dict(scale_factor=2, mode="bilinear", align_corners=False)
        x = F.interpolate(F.relu(self.bn1(self.conv1(x))), **up)
        x = F.interpolate(F.relu(self.bn2(self.conv2(x))), **up)
        return F.interpolate(self.last(x), size=(23, 17), mode="bilinear", align_corners=False)


def golden(name, model, x, seed, loss_of):
    torch.manual_seed(seed)
    tensors = {}

    def keep(key, t):
        tensors[key] = t.detach().float().contiguous()

    model = model.double()
    model.train()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(rounded(p + 0.3 * torch.randn_like(p)))
        for key, b in model.named_buffers():
            if b.dtype.is_floating_point:
                b.copy_(rounded(b + 0.2 * torch.rand_like(b)))
    # Steps on made-up gradients give the optimizer a state to start from.
    adamw = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(STEPS_BEFORE):
        for p in model.parameters():
            p.grad = 0.1 * torch.randn_like(p)
        adamw.step()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(rounded(p))
            for key in ("exp_avg", "exp_avg_sq"):
                adamw.state[p][key].copy_(rounded(adamw.state[p][key]))
    for key, p in model.named_parameters():
        keep("param." + key, p)
        keep("m." + key, adamw.state[p]["exp_avg"])
        keep("v." + key, adamw.state[p]["exp_avg_sq"])
    for key, b in model.named_buffers():
        if b.dtype.is_floating_point:
            keep("param." + key, b)

    x = rounded(x).requires_grad_()
    y = model(x)
    weights = rounded(torch.rand_like(y))
    loss = loss_of(y, weights)
    adamw.zero_grad()
    loss.backward()
    keep("x", x)
    keep("weights", weights)
    keep("y", y)
    keep("loss", loss.reshape(1))
    keep("dx", x.grad)
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    adamw.step()
    for key, p in model.named_parameters():
        keep("grad." + key, p.grad)
        keep("adamw." + key, p)
        keep("newm." + key, adamw.state[p]["exp_avg"])
        keep("newv." + key, adamw.state[p]["exp_avg_sq"])
    with torch.no_grad():
        for key, p in model.named_parameters():
            p.copy_(before[key])
    torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=DECAY).step()
    for key, p in model.named_parameters():
        keep("sgd." + key, p)
    for key, b in model.named_buffers():
        if b.dtype.is_floating_point:
            keep("new." + key, b)

    write(name, tensors)


def write(name, tensors):
    out = {
        "rate": RATE,
        "decay": DECAY,
        "step": STEPS_BEFORE + 1,
        "tensors": {
            key: {"shape": list(t.shape), "data": base64.b64encode(t.numpy().astype("<f4").tobytes()).decode()}
            for key, t in sorted(tensors.items())
        },
    }
    os.makedirs(OUT, exist_ok=True)
    path = os.path.join(OUT, name + ".json")
    with open(path + ".tmp", "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")
    os.replace(path + ".tmp", path)
    print(path, os.path.getsize(path), "bytes")


def main():
    torch.manual_seed(1)
    weighted = lambda y, w: (y * w).mean()
    golden("xception", XceptionBlock(5, 6), torch.randn(3, 5, 9, 10), 2, weighted)
    golden("vit", VitBlock(8, 2), torch.randn(2, 5, 8), 3, weighted)
    golden("decoder", ConvDecoder(5), torch.randn(2, 5, 4, 5), 4, F.binary_cross_entropy_with_logits)


if __name__ == "__main__":
    main()
