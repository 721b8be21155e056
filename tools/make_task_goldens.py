#!/usr/bin/env python3
"""Values of scikit-learn's multi-label metrics and of SQuAD's official rules, for the tests.

    tools/make_task_goldens.py src/test/resources/metrics

Needs numpy and scikit-learn. The rules of SQuAD are written out below as the official scripts of
versions 1.1 and 2.0 have them.
"""
import collections
import json
import pathlib
import re
import string
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


def normalize_answer(s):
    def remove_articles(text):
        return re.sub(r"\b(a|an|the)\b", " ", text)

    def white_space_fix(text):
        return " ".join(text.split())

    def remove_punc(text):
        return "".join(ch for ch in text if ch not in set(string.punctuation))

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def f1(prediction, truth, version2):
    given = normalize_answer(prediction).split()
    gold = normalize_answer(truth).split()
    if version2 and (not given or not gold):
        return float(given == gold)
    same = sum((collections.Counter(given) & collections.Counter(gold)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(given), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def squad(rows, version2):
    exact = score = 0.0
    for prediction, answers in rows:
        if version2:
            answers = [a for a in answers if normalize_answer(a)] or [""]
        exact += max(float(normalize_answer(a) == normalize_answer(prediction)) for a in answers)
        score += max(f1(prediction, a, version2) for a in answers)
    return {
        "rows": [{"prediction": p, "answers": a} for p, a in rows],
        "values": {"exact_match": 100 * exact / len(rows), "f1": 100 * score / len(rows)},
    }


ANSWERED = [
    ("the Norman kings", ["Norman Kings.", "kings"]),
    ("in 1066", ["1066", "the year 1066"]),
    ("An apple a day", ["apple day", "an apple"]),
    ("U.S.A.", ["USA", "United States"]),
    ("a\u00a0b\u2003c", ["b c"]),
    ("Theatre", ["the atre", "theatre"]),
    ("\u00e9t\u00e9 the_a", ["\u00c9T\u00c9 the_a", "x"]),
    ("wrong", ["right"]),
    ("the the cat", ["cat cat", "a cat"]),
    ("", ["something"]),
    ("the", ["a"]),
    ("na\u00efve\u2014caf\u00e9", ["naive cafe", "na\u00efve caf\u00e9"]),
    ("x\u00b2 the \u2167 a", ["x\u00b2 \u2167"]),
]
UNANSWERED = [("", []), ("something", []), ("the", []), ("", ["the"]), ("a", ["an", "fish"])]

if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    rng = np.random.default_rng(11)
    cases = [multi_label(rng, 40, 5, 0.3), multi_label(rng, 7, 3, 0.6), multi_label(rng, 12, 4, 0.05)]
    (out / "multi_label.json").write_text(json.dumps(cases) + "\n")
    answers = {"v1": squad(ANSWERED, False), "v2": squad(ANSWERED + UNANSWERED, True)}
    (out / "answers.json").write_text(json.dumps(answers) + "\n")
