"""The scores as the published evaluation computes them, in PyTorch, for tools/golden/bench_torch.py and
tools/golden/metric.py to compare with. A score is NaN if the published code has no value for it.

    scores(prob, truth)     prob float32 [H,W] in [0,1], truth bool [H,W], both tensors
"""
import torch
import torch.nn.functional as F


def iou(prob, truth, threshold=0.5):
    """Percent; two empty masks agree."""
    found = prob > threshold
    both, any_ = (found & truth).sum(), (found | truth).sum()
    return float(100 * (both.double() + 1e-8) / (any_.double() + 1e-8))


def sure_pixels(truth):
    """Surely manipulated: all of the 15 x 15 around is (outside counts as manipulated). Surely pristine: nothing in the
    11 x 11 around is. The filters are max pooling, the minimum with inverted signs."""
    g = truth.float()[None, None]
    eroded = -F.max_pool2d(F.pad(-g, (7, 7, 7, 7), value=-float("inf")), 15, 1)
    dilated = F.max_pool2d(F.pad(g, (5, 5, 5, 5), value=0.0), 11, 1)
    return eroded[0, 0] > 0, dilated[0, 0] == 0


def f1_of(tp, fp, fn):
    return (2 * tp + 1e-32) / torch.clamp(2 * tp + fp + fn, min=1e-32)


def f1(prob, truth):
    """F1 at 0.5, and the best of all thresholds between distinct scores."""
    manipulated, pristine = sure_pixels(truth)
    region = manipulated | pristine
    values, label = prob[region], manipulated[region]
    found = values > 0.5
    fixed = f1_of((found & label).sum().double(), (found & ~label).sum().double(), (~found & label).sum().double())
    values, order = torch.sort(values)
    label = label[order]
    fn, tn = torch.cumsum(label, 0).double(), torch.cumsum(~label, 0).double()
    if len(values) == 0:
        return float(fixed), float("nan")
    tp, fp = fn[-1] - fn, tn[-1] - tn
    last_of_tie = values[1:] > values[:-1]
    candidates = f1_of(tp, fp, fn)[:-1][last_of_tie]
    best = torch.maximum(candidates.max(), fixed) if len(candidates) else torch.tensor(float("nan"))
    return float(fixed), float(best)


def average_precision(score, label):
    """Like torchmetrics without given thresholds: one step for each distinct score."""
    score, order = torch.sort(score.flatten(), descending=True)
    label = label.flatten()[order].long()
    ends = torch.cat([torch.nonzero(score[1:] != score[:-1])[:, 0], torch.tensor([len(score) - 1])])
    tp = torch.cumsum(label, 0)[ends]
    precision = tp.double() / (ends + 1)
    if tp[-1] == 0:
        return 0.0
    recall = tp.double() / tp[-1]
    steps = recall - torch.cat([torch.zeros(1, dtype=torch.float64), recall[:-1]])
    return float((steps * precision).sum())


def scores(prob, truth):
    fixed, best = f1(prob, truth)
    return {"iou": iou(prob, truth), "f1_fixed": fixed, "f1_best": best, "ap": average_precision(prob, truth)}
