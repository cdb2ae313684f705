#!/usr/bin/env python3
"""Classification metrics by scikit-learn: makes metrics.json.

python 3.11, scikit-learn 1.9.1, numpy 2.4.6
"""

import json
import os
import warnings

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
    roc_auc_score,
)

HERE = os.path.dirname(os.path.abspath(__file__))


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def auc(labels, probabilities):
    count = probabilities.shape[1]
    if len(set(labels)) < count:
        return None
    if count == 2:
        return roc_auc_score(labels, probabilities[:, 1])
    return roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")


def expected(labels, logits):
    probabilities = softmax(logits.astype(np.float64))
    predicted = logits.argmax(axis=1)
    every = list(range(logits.shape[1]))
    out = dict(
        loss=log_loss(labels, probabilities, labels=every),
        accuracy=accuracy_score(labels, predicted),
        mcc=matthews_corrcoef(labels, predicted),
        auc=auc(labels, probabilities),
    )
    for average in "macro", "micro", "weighted":
        values = precision_recall_fscore_support(
            labels, predicted, average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), values):
            out[f"{average}_{name}"] = value
    values = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    for name, value in zip(("precision", "recall", "f1", "support"), values):
        out[name] = value.tolist()
    out["support"] = [int(n) for n in out["support"]]
    out["confusion"] = confusion_matrix(labels, predicted, labels=every).tolist()
    return out


def case(name, labels, logits):
    logits = np.asarray(logits, np.float32)
    labels = np.asarray(labels, np.int32)
    return dict(
        name=name,
        label_count=logits.shape[1],
        labels=labels.tolist(),
        logits=[float(f"{x:.6g}") for x in logits.reshape(-1)],
        expected=expected(labels, logits),
    )


def draw(random, rows, count, used, signal, step=0.0):
    """Logits that know something of the labels; rounded to multiples of `step` for ties."""
    labels = random.choice(used, rows)
    logits = random.normal(size=(rows, count)) * 2
    logits[np.arange(rows), labels] += signal
    if step:
        logits = np.round(logits / step) * step
    return labels, np.round(logits, 3)


def main():
    warnings.simplefilter("ignore")
    random = np.random.default_rng(7)
    cases = [
        case("binary", *draw(random, 97, 2, [0, 1], 1.5)),
        case("binary, rare positive", *draw(random, 120, 2, [0] * 9 + [1], 4.0)),
        case("binary, tied scores", *draw(random, 80, 2, [0, 1], 1.0, step=2.0)),
        case("binary, one label in truth", *draw(random, 20, 2, [0], 0.5)),
        case("binary, one label in truth and prediction", [1, 1, 1], [[0, 1], [-2, 3], [0, 2]]),
        case("binary, large logits", *draw(random, 30, 2, [0, 1], 20.0, step=8.0)),
        case("three labels", *draw(random, 90, 3, [0, 1, 2], 1.5)),
        case("three labels, tied scores", *draw(random, 60, 3, [0, 1, 2], 1.0, step=1.0)),
        case("three labels, one absent in truth", *draw(random, 40, 3, [0, 2], 1.0)),
        case(
            "three labels, one nowhere",
            [0, 2, 0, 2],
            [[2, -9, 1], [0, -9, 1], [1, -9, 3], [0, -9, 2]],
        ),
        case("seven labels", *draw(random, 150, 7, range(7), 2.5)),
        case("seven labels, three used", *draw(random, 50, 7, [1, 2, 6], 2.0)),
        case("one row", [1], [[0.25, -0.5]]),
    ]
    with open(os.path.join(HERE, "metrics.json"), "w") as file:
        file.write('{"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
    for c in cases:
        print(
            c["name"], {k: v for k, v in c["expected"].items() if k in ("auc", "mcc", "macro_f1")}
        )


main()
