#!/usr/bin/env python3
"""Values of scikit-learn's multi-label metrics, for the tests.

    tools/make_multi_label_goldens.py src/test/resources/metrics

Needs numpy and scikit-learn.
"""
import json
import pathlib
import sys

import numpy as np
from sklearn import metrics


def multi_label(rng, rows, labels, share):
    gold = (rng.random((rows, labels)) < share).astype(int)
    scores = np.round(rng.random((rows, labels)) * 0.6 + gold * rng.random((rows, labels)) * 0.4, 2)
    given = (scores >= 0.5).astype(int)
    values = {}
    for average in ("micro", "macro", "samples", "weighted"):
        values["f1_" + average] = metrics.f1_score(gold, given, average=average, zero_division=0)
    for average in ("micro", "macro"):
        values["precision_" + average] = metrics.precision_score(gold, given, average=average, zero_division=0)
        values["recall_" + average] = metrics.recall_score(gold, given, average=average, zero_division=0)
    values["subset_accuracy"] = metrics.accuracy_score(gold, given)
    values["lrap"] = metrics.label_ranking_average_precision_score(gold, scores)
    return {"gold": gold.tolist(), "scores": scores.tolist(), "values": {k: float(v) for k, v in values.items()}}


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    rng = np.random.default_rng(11)
    cases = [multi_label(rng, 40, 5, 0.3), multi_label(rng, 7, 3, 0.6), multi_label(rng, 12, 4, 0.05)]
    (out / "multi_label.json").write_text(json.dumps(cases) + "\n")
