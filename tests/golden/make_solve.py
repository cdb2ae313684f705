#!/usr/bin/env python3
"""Linear models by scikit-learn: makes solve.json.

python 3.11, scikit-learn 1.9.1, numpy 2.4.6
"""

import json
import os

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV

HERE = os.path.dirname(os.path.abspath(__file__))
ALPHAS = [0.01, 0.1, 1.0, 10.0, 100.0]


def formula(rows, features):
    """Rows that test_solve.c makes again: too many to be kept."""
    i, j = np.arange(rows)[:, None], np.arange(features)
    return ((i * 7919 + j * 104729 + i * j * j * 31) % 2001 - 1000) / np.float32(1000)


def case(rows, features, classes, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    centres = rng.normal(size=(classes, features))
    x = centres[labels] + 1.5 * rng.normal(size=(rows, features)) + 0.7
    x = np.round(x, 3).astype(np.float32)  # as they are printed
    if features > 100:
        x = formula(rows, features).astype(np.float32)
    wide = x.astype(np.float64)
    ridge = RidgeCV(alphas=ALPHAS, store_cv_results=True)
    ridge.fit(wide, np.where(labels[:, None] == np.arange(classes), 1.0, -1.0))
    logistic = LogisticRegression(C=1 / 0.5, tol=1e-12, max_iter=100000, solver="newton-cg")
    logistic.fit(wide, labels)
    return {
        "features": features,
        "classes": classes,
        "labels": labels.tolist(),
        "x": [] if features > 100 else [round(float(v), 3) for v in x.ravel()],
        "ridge": {
            "lambda": float(ridge.alpha_),
            "error": float(-ridge.best_score_),
            "weights": ridge.coef_.ravel().tolist(),
            "bias": ridge.intercept_.tolist(),
        },
        "logistic": {
            "lambda": 0.5,
            "weights": logistic.coef_.ravel().tolist(),
            "bias": logistic.intercept_.tolist(),
        },
    }


golden = {
    "lambdas": ALPHAS,
    "cases": [case(61, 7, 2, 1), case(90, 12, 4, 2), case(20, 30, 3, 3), case(230, 140, 3, 4)],
}
with open(os.path.join(HERE, "solve.json"), "w") as file:
    json.dump(golden, file)
    file.write("\n")
