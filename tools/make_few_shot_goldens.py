"""Makes src/test/resources/goldens/logistic_regression.json and one_vs_rest.json: scikit-learn's LogisticRegression on unit vectors,
and its OneVsRestClassifier where rows have any number of labels.

    python tools/make_few_shot_goldens.py

Needs scikit-learn 1.8 or so; the tolerance is far below its default, so that the numbers are those of the optimum.
"""
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import goldens

RESOURCES = Path(__file__).parent.parent / "src/test/resources/goldens"
random = np.random.default_rng(5)


def case(classes, rows, width, c):
    labels = np.arange(rows) % classes
    centres = random.normal(size=(classes, width))
    vectors = (0.5 * centres[labels] + random.normal(size=(rows, width))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    fitted = LogisticRegression(C=c, tol=1e-12, max_iter=100_000).fit(vectors.astype(np.float64), labels)
    return {
        "c": c,
        "classes": classes,
        "vectors": [[float(v) for v in vector] for vector in vectors],
        "labels": labels.tolist(),
        "coef": np.round(fitted.coef_, 7).tolist(),
        "intercept": np.round(fitted.intercept_, 7).tolist(),
        "probabilities": np.round(fitted.predict_proba(vectors.astype(np.float64)), 7).tolist(),
    }


CASES = [case(2, 16, 12, 1.0), case(3, 24, 12, 1.0), case(4, 32, 16, 100.0), case(5, 11, 8, 0.1)]
goldens.write_json(RESOURCES / "logistic_regression.json", CASES)


def several(labels, rows, width, c):
    gold = random.random((rows, labels)) < 0.4
    gold[0], gold[1] = False, True
    vectors = (gold.astype(float) @ random.normal(size=(labels, width)) + random.normal(size=(rows, width))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    each = OneVsRestClassifier(LogisticRegression(C=c, tol=1e-12, max_iter=100_000)).fit(vectors.astype(np.float64), gold.astype(int))
    return {
        "c": c,
        "vectors": [[float(v) for v in vector] for vector in vectors],
        "labels": gold.astype(int).tolist(),
        "probabilities": np.round(each.predict_proba(vectors.astype(np.float64)), 7).tolist(),
    }


SEVERAL = [several(3, 20, 10, 1.0), several(5, 30, 12, 10.0)]
goldens.write_json(RESOURCES / "one_vs_rest.json", SEVERAL)
