#!/usr/bin/env python3
"""Bootstrap intervals and McNemar's exact test by scipy and statsmodels: makes significance.json.

python 3.11, scikit-learn 1.9.1, scipy 1.17.1, statsmodels 0.15.0, numpy 2.4.6

The rows of the resamples are those of the program (Philox, as in include/base/rng.h), so that the
intervals agree digit by digit; `scipy` are intervals of scipy.stats.bootstrap with its own draws.
"""

import json
import os

import numpy as np
from scipy.stats import bootstrap
from sklearn.metrics import accuracy_score, f1_score, log_loss, matthews_corrcoef, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar

HERE = os.path.dirname(os.path.abspath(__file__))
RESAMPLES, PURPOSE = 2000, 7
MASK = np.uint64(0xFFFFFFFF)


def philox(resample, draws):
    """The first two words, of key 0 and counter (draw, 0, resample, PURPOSE)."""
    c = [np.arange(draws, dtype=np.uint64), np.zeros(draws, np.uint64),
         np.full(draws, resample, np.uint64), np.full(draws, PURPOSE, np.uint64)]
    k0 = k1 = 0
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & MASK,
             (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & MASK]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c[0], c[1]


def drawn(resample, rows):
    low, high = philox(resample, rows)
    bits = (high << np.uint64(32)) | low
    uniform = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return (uniform * rows).astype(np.int64)


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def measure(labels, logits):
    every = list(range(logits.shape[1]))
    probabilities, predicted = softmax(logits), logits.argmax(axis=1)
    out = dict(loss=log_loss(labels, probabilities, labels=every),
               accuracy=accuracy_score(labels, predicted),
               macro_f1=f1_score(labels, predicted, average="macro", zero_division=0),
               mcc=matthews_corrcoef(labels, predicted), auc=np.nan)
    if len(set(labels)) == len(every):
        scores = probabilities[:, 1] if len(every) == 2 else probabilities
        out["auc"] = roc_auc_score(labels, scores, multi_class="ovr", average="macro")
    return out


def case(name, random, rows, count, used, signal):
    labels = random.choice(used, rows)
    logits = []
    for strength in signal:
        drawing = random.normal(size=(rows, count)) * 2
        drawing[np.arange(rows), labels] += strength
        logits.append(np.round(drawing, 3).astype(np.float32))
    first, second = (x.astype(np.float64) for x in logits)
    values = [measure(labels[i], first[i]) for i in (drawn(r, rows) for r in range(RESAMPLES))]
    right = [x.argmax(axis=1) == labels for x in (first, second)]
    table = [[np.sum(right[0] & right[1]), np.sum(right[0] & ~right[1])],
             [np.sum(~right[0] & right[1]), np.sum(~right[0] & ~right[1])]]
    other = bootstrap((right[0].astype(float),), np.mean, n_resamples=20000, method="percentile",
                      random_state=np.random.default_rng(3)).confidence_interval
    return dict(
        name=name, label_count=count, labels=labels.tolist(),
        logits=[[float(f"{x:.6g}") for x in one.reshape(-1)] for one in logits],
        intervals={key: np.nanpercentile([v[key] for v in values], [2.5, 97.5]).tolist()
                   for key in values[0]},
        scipy=dict(accuracy=[other.low, other.high]),
        alone=[int(table[0][1]), int(table[1][0])],
        p=float(mcnemar(table, exact=True).pvalue))


def main():
    random = np.random.default_rng(11)
    cases = [
        case("two labels", random, 120, 2, [0, 1], (3.0, 1.5)),
        case("rare label", random, 60, 2, [0] * 12 + [1], (4.0, 4.0)),
        case("four labels", random, 150, 4, range(4), (2.0, 3.5)),
        case("few rows", random, 9, 2, [0, 1], (1.0, 1.0)),
        case("all right", random, 20, 2, [0, 1], (60.0, 60.0)),
    ]
    with open(os.path.join(HERE, "significance.json"), "w") as file:
        file.write('{"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
    for c in cases:
        print(c["name"], c["alone"], c["p"], c["intervals"]["accuracy"], c["scipy"]["accuracy"])


main()
