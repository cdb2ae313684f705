#!/usr/bin/env python3
"""Linear models by scikit-learn: makes solve.json.

python 3.11, scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1
"""

import json
import os

import numpy as np
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, RidgeCV

HERE = os.path.dirname(os.path.abspath(__file__))
ALPHAS = [0.01, 0.1, 1.0, 10.0, 100.0]


def formula(rows, features):
    """Rows that test_solve.c makes again: too many to be kept."""
    i, j = np.arange(rows)[:, None], np.arange(features)
    return ((i * 7919 + j * 104729 + i * j * j * 31) % 2001 - 1000) / np.float32(1000)


def newton(penalty, intercept):
    return LogisticRegression(
        C=1 / penalty, fit_intercept=intercept, tol=1e-12, max_iter=100000, solver="newton-cg"
    )


def left_out(x, labels, intercept):
    """Mean cross entropy of every row by a model of all others, at each penalty."""
    errors = []
    for penalty in ALPHAS:
        sum_ = 0.0
        for row in range(len(labels)):
            others = np.arange(len(labels)) != row
            model = newton(penalty, intercept).fit(x[others], labels[others])
            sum_ -= model.predict_log_proba(x[row : row + 1])[0, labels[row]]
        errors.append(sum_ / len(labels))
    return errors


def stepped(x, labels, intercept):
    """The same by one step of Newton's from the model of all rows, its matrices written out."""
    errors = []
    classes, rows = labels.max() + 1, len(labels)
    outputs = 1 if classes == 2 else classes
    x1 = np.hstack([x, np.ones((rows, 1))]) if intercept else x
    targets = (labels[:, None] == (np.arange(outputs) if outputs > 1 else 1)).astype(float)
    for penalty in ALPHAS:
        model = newton(penalty, intercept).fit(x, labels)
        w = np.hstack([model.coef_, model.intercept_[:, None]]) if intercept else model.coef_
        ridge = np.full(w.shape, penalty)
        if intercept:
            ridge[:, -1] = 0

        def scores(v):
            z = x1 @ v.reshape(w.shape).T
            return z if outputs > 1 else np.hstack([np.zeros_like(z), z])

        p = np.exp(scores(w) - logsumexp(scores(w), axis=1, keepdims=True))[:, -outputs:]
        a = np.einsum("ik,km->ikm", p, np.eye(outputs)) - np.einsum("ik,im->ikm", p, p)
        sum_ = 0.0
        for row in range(rows):
            others = np.arange(rows) != row
            hessian = np.einsum("ikm,ia,ib->kamb", a[others], x1[others], x1[others])
            hessian = hessian.reshape(w.size, w.size) + np.diag(ridge.ravel())
            gradient = (p - targets)[others].T @ x1[others] + ridge * w
            v = w.ravel() - np.linalg.lstsq(hessian, gradient.ravel(), rcond=None)[0]
            z = scores(v)[row]
            sum_ += logsumexp(z) - z[labels[row]]
        errors.append(sum_ / rows)
    return errors


def fits(x, labels, classes, intercept):
    ridge = RidgeCV(alphas=ALPHAS, store_cv_results=True, fit_intercept=intercept)
    ridge.fit(x, np.where(labels[:, None] == np.arange(classes), 1.0, -1.0))
    logistic = newton(0.5, intercept).fit(x, labels)
    return {
        "intercept": intercept,
        "ridge": {
            "lambda": float(ridge.alpha_),
            "error": float(-ridge.best_score_),
            "weights": ridge.coef_.ravel().tolist(),
            "bias": np.ravel(ridge.intercept_).tolist(),
        },
        "logistic": {
            "lambda": 0.5,
            "weights": logistic.coef_.ravel().tolist(),
            "bias": logistic.intercept_.tolist(),
            "left_out": left_out(x, labels, intercept) if len(labels) < 100 else [],
            "stepped": stepped(x, labels, intercept) if len(labels) < 100 else [],
        },
    }


def case(rows, features, classes, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    centres = rng.normal(size=(classes, features))
    x = centres[labels] + 1.5 * rng.normal(size=(rows, features)) + 0.7
    x = np.round(x, 3).astype(np.float32)  # as they are printed
    if features > 100:
        x = formula(rows, features).astype(np.float32)
    wide = x.astype(np.float64)
    return {
        "features": features,
        "classes": classes,
        "labels": labels.tolist(),
        "x": [] if features > 100 else [round(float(v), 3) for v in x.ravel()],
        "fits": [fits(wide, labels, classes, intercept) for intercept in (True, False)],
    }


golden = {
    "lambdas": ALPHAS,
    "cases": [case(61, 7, 2, 1), case(90, 12, 4, 2), case(20, 30, 3, 3), case(230, 140, 3, 4)],
}
with open(os.path.join(HERE, "solve.json"), "w") as file:
    json.dump(golden, file)
    file.write("\n")
