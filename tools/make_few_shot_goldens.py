"""Makes src/test/resources/goldens/logistic_regression.json: scikit-learn's LogisticRegression on unit vectors.

    python tools/make_few_shot_goldens.py

Needs scikit-learn 1.8 or so; the tolerance is far below its default, so that the numbers are those of the optimum.
"""
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

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
(RESOURCES / "logistic_regression.json").write_text(json.dumps(CASES) + "\n")
