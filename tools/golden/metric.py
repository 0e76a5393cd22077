#!/usr/bin/env python3
"""Golden values for internal/metric, computed slowly from the definitions.

    /usr/bin/python3 tools/golden/metric.py > internal/metric/testdata/golden.json

Needs NumPy, and PyTorch to compare with tools/golden/published_metrics.py, the scores
as the published evaluation computes them: both must agree to 1e-6 in every case.
Nothing here shares an idea with the Go code: windows are examined pixel by
pixel, every threshold is tried by counting over all pixels, and the area under
the ROC curve counts pairs. null stands for a score that is not defined.
"""
import base64
import json
import math
import zlib

import numpy as np
import torch

import published_metrics

rng = np.random.default_rng(7)


def iou(prob, g, threshold):
    p = prob > threshold
    return 100 * ((p & g).sum() + 1e-8) / ((p | g).sum() + 1e-8)


def sure_pixels(g):
    h, w = g.shape
    eroded = np.zeros((h, w), bool)
    pristine = np.zeros((h, w), bool)
    for y in range(h):
        for x in range(w):
            eroded[y, x] = g[max(0, y - 7):y + 8, max(0, x - 7):x + 8].all()
            pristine[y, x] = not g[max(0, y - 5):y + 6, max(0, x - 5):x + 6].any()
    return eroded, pristine


def f1_at(prob, eroded, pristine, threshold):
    p = prob > threshold
    tp = float((p & eroded).sum())
    fp = float((p & pristine).sum())
    fn = float((~p & eroded).sum())
    return (2 * tp + 1e-32) / max(2 * tp + fn + fp, 1e-32)


def f1(prob, g):
    eroded, pristine = sure_pixels(g)
    fixed = f1_at(prob, eroded, pristine, 0.5)
    scores = sorted(set(prob[eroded | pristine].tolist()))[:-1]
    if not scores:
        return fixed, None
    best = max(f1_at(prob, eroded, pristine, s) for s in scores)
    return fixed, max(best, fixed)


def average_precision(score, label):
    score, label = np.ravel(score), np.ravel(label)
    positives = label.sum()
    if positives == 0:
        return 0.0
    total, recall_before = 0.0, 0.0
    for s in sorted(set(score.tolist()), reverse=True):
        p = score >= s
        tp = float((p & label).sum())
        recall = tp / positives
        total += (recall - recall_before) * tp / p.sum()
        recall_before = recall
    return total


def roc_area(score, label):
    score, label = np.ravel(score), np.ravel(label)
    pos, neg = score[label], score[~label]
    if len(pos) == 0 or len(neg) == 0:
        return None
    right = sum((p > neg).sum() + 0.5 * (p == neg).sum() for p in pos)
    return float(right / (len(pos) * len(neg)))


def ellipse(w, h, cx, cy, rx, ry):
    y, x = np.mgrid[:h, :w]
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1


def random(w, h):
    return rng.random((h, w), dtype=np.float32)


def guess(g, noise):
    """A prediction correlated with the mask, coarse to keep the file small."""
    p = np.clip(0.3 + 0.4 * g + noise * rng.standard_normal(g.shape), 0, 1)
    return (np.round(p * 2048) / 2048).astype(np.float32)


def cases():
    blob = ellipse(36, 31, 17, 15, 13, 12)
    yield "random", random(36, 31), blob
    yield "good", guess(blob, 0.2), blob
    yield "good at another threshold", (guess(blob, 0.15) * 0.375).astype(np.float32), blob
    yield "tied, 8 levels", (np.round(guess(blob, 0.2) * 7) / 7).astype(np.float32), blob
    yield "0 and 1 only", (guess(blob, 0.3) > 0.5).astype(np.float32), blob
    yield "perfect", blob.astype(np.float32), blob
    yield "inverted", (~blob).astype(np.float32), blob
    yield "exactly 0.5 in part", np.where(random(36, 31) > 0.6, 0.5, random(36, 31)).astype(np.float32), blob
    for value in (0.0, 0.5, 0.7, 1.0):
        yield "constant %g" % value, np.full((31, 36), value, np.float32), blob
    yield "touches the border", guess(ellipse(40, 30, 0, 29, 22, 20), 0.2), ellipse(40, 30, 0, 29, 22, 20)
    small = ellipse(30, 26, 12, 12, 4, 4)
    yield "small mask, eroded away", guess(small, 0.2), small
    stripes = np.zeros((24, 30), bool)
    stripes[:, ::3] = True
    yield "stripes, nothing sure", random(30, 24), stripes
    noise = rng.random((32, 32)) > 0.995
    yield "scattered pixels", random(32, 32), noise
    holes = rng.random((32, 32)) > 0.01
    yield "scattered holes", random(32, 32), holes
    one = np.zeros((20, 25), bool)
    one[9, 11] = True
    yield "one pixel", random(25, 20), one
    none, full = np.zeros((17, 21), bool), np.ones((17, 21), bool)
    yield "empty mask", random(21, 17), none
    yield "empty mask, nothing found", random(21, 17) * np.float32(0.5), none
    yield "empty mask, constant", np.zeros((17, 21), np.float32), none
    yield "full mask", random(21, 17), full
    yield "full mask, all found", np.ones((17, 21), np.float32), full
    yield "1x1, found", np.ones((1, 1), np.float32), np.ones((1, 1), bool)
    yield "1x1, missed", np.full((1, 1), 0.5, np.float32), np.ones((1, 1), bool)
    yield "1x1, untouched", np.zeros((1, 1), np.float32), np.zeros((1, 1), bool)
    yield "2x3", random(2, 3), rng.random((3, 2)) > 0.5
    yield "smaller than the filters", random(5, 4), np.tri(4, 5).astype(bool)
    yield "one row", random(60, 1), np.arange(60)[None] > 33
    yield "one column", random(1, 60), np.arange(60)[:, None] > 33
    yield "filter wide", random(15, 11), np.arange(15)[None].repeat(11, 0) > 9
    yield "subnormal probabilities", (random(20, 20) * np.float32(1e-39)).astype(np.float32), ellipse(20, 20, 10, 10, 9, 9)
    # Ties in maps of 8 bits, of halves and of neighbouring numbers.
    wide = ellipse(29, 25, 14, 12, 12, 10)
    noisy = guess(wide, 0.25)
    yield "8-bit levels", (np.round(noisy * 255) / 255).astype(np.float32), wide
    yield "half precision", noisy.astype(np.float16).astype(np.float32), wide
    step = np.float32(0.5) * (1 + rng.integers(-2, 3, wide.shape) * np.float32(2.0 ** -23))
    yield "neighbours of 0.5", step.astype(np.float32), wide
    yield "0, 0.5 and 1", (rng.integers(0, 3, wide.shape) / 2).astype(np.float32), wide
    yield "minus zero", np.where(noisy < 0.5, np.float32(-0.0), np.float32(0.0)) + np.where(wide, noisy, 0).astype(np.float32), wide
    yield "all but one tied", np.where(np.arange(wide.size).reshape(wide.shape) == 300, np.float32(0.75), np.float32(0.25)), wide
    yield "the highest alone is wrong", np.where(np.arange(wide.size).reshape(wide.shape) == 2, np.float32(0.9), wide * np.float32(0.4)), wide
    full = np.ones((25, 29), bool)
    yield "full mask, two levels", np.where(noisy > 0.4, np.float32(0.8), np.float32(0.2)), full
    yield "full mask, constant", np.full((25, 29), 0.25, np.float32), full
    hole = full.copy()
    hole[12, 14] = False
    yield "full but for one pixel", noisy, hole
    yield "full but for one pixel, constant", np.full((25, 29), 0.75, np.float32), hole
    yield "one pixel, ranked last", np.where(ellipse(29, 25, 3, 3, 0.4, 0.4), np.float32(0.1), np.float32(0.2)), ellipse(29, 25, 3, 3, 0.4, 0.4)
    yield "nearly all in the band", noisy, ellipse(29, 25, 14, 12, 8, 8)
    yield "1x1, half", np.full((1, 1), 0.25, np.float32), np.ones((1, 1), bool)
    yield "2x1", np.array([[0.5, np.nextafter(np.float32(0.5), np.float32(1))]], np.float32), np.array([[False, True]])
    yield "3x1, tied", np.full((1, 3), 0.7, np.float32), np.array([[True, False, True]])


def detection():
    for name, n, levels in (("random", 40, 0), ("tied", 40, 5), ("one kind", 6, 0), ("single", 1, 0)):
        label = rng.random(n) > 0.4
        if name == "one kind":
            label[:] = False
        score = 0.3 * label + 0.7 * rng.random(n)
        if levels:
            score = np.round(score * levels) / levels
        cuts = [-np.inf] + score.tolist()
        yield {
            "name": name,
            "scores": score.tolist(),
            "manipulated": label.tolist(),
            "ap": average_precision(score, label),
            "auc": roc_area(score, label),
            "accuracy": float(((score > 0.5) == label).mean()),
            "best_accuracy": max(float(((score > c) == label).mean()) for c in cuts),
        }


def compare(name, prob, g):
    """Stops if the published computation gives another result."""
    fixed, best = f1(prob.astype(np.float64), g)
    ours = {"iou": iou(prob, g, 0.5), "f1_fixed": fixed, "f1_best": math.nan if best is None else best, "ap": average_precision(prob, g)}
    for key, theirs in published_metrics.scores(torch.from_numpy(prob), torch.from_numpy(g)).items():
        same = math.isnan(ours[key]) and math.isnan(theirs) or abs(ours[key] - theirs) <= 1e-6
        assert same, f"{name}: {key} is {ours[key]}, the published code's {theirs}"


def main():
    pictures = []
    for name, prob, g in cases():
        assert prob.dtype == np.float32 and prob.shape == g.shape, name
        compare(name, prob, g)
        packed = base64.b64encode(zlib.compress(prob.astype("<f4").tobytes(), 9)).decode()
        prob = prob.astype(np.float64)  # thresholds are compared in double precision
        fixed, best = f1(prob, g)
        pictures.append({
            "name": name,
            "width": g.shape[1],
            "height": g.shape[0],
            "prob": packed,
            "truth": base64.b64encode(np.packbits(g)).decode(),
            "iou": iou(prob, g, 0.5),
            "iou_0.3": iou(prob, g, 0.3),
            "f1_fixed": fixed,
            "f1_best": best,
            "ap": average_precision(prob, g),
            "auc": roc_area(prob, g),
            "flagged": float((prob > 0.5).mean()),
            "score": float(prob.mean()),
            "flagged_at": "".join(str(int((prob > t).mean() > 0.01)) for t in np.arange(101) / 100),
        })
    out = {"pictures": pictures, "detection": list(detection())}
    print(json.dumps(out, separators=(",", ":")))


main()
