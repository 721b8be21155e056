#!/usr/bin/env python3
"""What SQuAD's official scripts and Transformers' run_qa.py make of answers, windows and logits, for the tests.

    tools/make_answer_goldens.py COMPUTE_SCORE UTILS_QA src/test/resources

COMPUTE_SCORE is the official script of SQuAD 1.1 (metrics/squad/compute_score.py of huggingface/evaluate); that of 2.0 is in
transformers.data.metrics. UTILS_QA is examples/pytorch/question-answering/utils_qa.py of Transformers: what is written down below
of how answers are found, in float64, is held against it. Needs numpy and transformers. Logits come from a small generator that
the test repeats: they are multiples of 1/1024, so that every sum is exact, and no two of a window are equal.
"""
import importlib.util
import json
import pathlib
import random
import sys
import tempfile
from types import SimpleNamespace

import numpy as np
import transformers as tf

import goldens
from transformers.data.metrics import squad_metrics

# ---- exact match and F1 ----

WORDS = """the The THE a A an An and cat cats Cat's 1066 3,400 12.5% U.S.A. USA café CAFÉ cafe\u0301 naïve Straße STRASSE İstanbul istanbul
ΟΔΟΣ ΟΔΟΣ-Α ΟΔΟΣ2 ΣΑΣ'Α οδος οδός Σ ΣΣ-1 x² Ⅷ ½ ٣ 東京 日本語の the_a a_b a-b 'the' "an" (a) [the] a\u0301 the\u0301 a. .the an! theatre another Ana ana —the— «a» the’s
don't dont no-one 😀 😀a a😀 . ... ' - _ __ \u200b \u200ba ﬁsh fish Ǆ ǆ ΑΣ' ΑΣ.Β ΑΣ ß ẞ K k Å å null None nan""".split()
GAPS = [" "] * 12 + ["  ", "\t", "\n", "\u00a0", "\u2003", "\u3000", "\u2028", "\x1c", "\x85", "\u200b", "-", "", ", ", ". ", "—"]


def phrase(rng, most=5):
    words = [rng.choice(WORDS) for _ in range(rng.randint(1, most))]
    out = rng.choice(["", "", "", " ", "the ", "A "])
    for i, word in enumerate(words):
        out += (rng.choice(GAPS) if i else "") + word
    return out + rng.choice(["", "", "", " ", ".", "?!", "\n"])


def like(rng, text):
    """The text with a change that may or may not matter."""
    words = text.split(" ")
    change = rng.randrange(9)
    if change == 0:
        return text
    if change == 1:
        return text.upper()
    if change == 2:
        return text.lower()
    if change == 3:
        return "the " + text + "."
    if change == 4:
        return " ".join(words[1:]) or text
    if change == 5:
        return " ".join(words + [rng.choice(WORDS)])
    if change == 6:
        rng.shuffle(words)
        return " ".join(words)
    if change == 7:
        return text.replace("a", "an ", 1)
    return "".join(c for c in text if c not in ".,'-")


def questions(rng, count, unanswerable):
    rows = []
    for _ in range(count):
        if rng.random() < unanswerable:
            rows.append((rng.choice(["", "", "", "the", " ", ".", phrase(rng)]), []))
            continue
        answers = [phrase(rng)]
        while rng.random() < 0.45:
            answers.append(rng.choice([like(rng, answers[0]), phrase(rng), rng.choice(["", "the", "."])]))
        rng.shuffle(answers)
        prediction = rng.choice([like(rng, rng.choice(answers)), like(rng, rng.choice(answers)), phrase(rng), ""])
        rows.append((prediction, answers))
    return rows


def version_1(official, rows):
    qas = [{"id": str(i), "answers": [{"text": a} for a in answers]} for i, (_, answers) in enumerate(rows)]
    predictions = {str(i): prediction for i, (prediction, _) in enumerate(rows)}
    def values(some):
        return official.compute_score([{"paragraphs": [{"qas": some}]}], predictions)
    single = [values([qa]) for qa in qas]
    out = [{"prediction": p, "answers": a, **one} for (p, a), one in zip(rows, single)]
    return {"rows": out, "values": values(qas)}


def examples(rows):
    return [SimpleNamespace(qas_id=str(i), answers=[{"text": a} for a in answers]) for i, (_, answers) in enumerate(rows)]


def version_2(rows):
    predictions = {str(i): prediction for i, (prediction, _) in enumerate(rows)}
    asked = examples(rows)
    exact, f1 = squad_metrics.get_raw_scores(asked, predictions)
    values = squad_metrics.squad_evaluate(asked, predictions)
    out = [{"prediction": p, "answers": a, "exact_match": 100.0 * exact[str(i)], "f1": 100.0 * f1[str(i)]} for i, (p, a) in enumerate(rows)]
    names = {"exact": "exact_match", "f1": "f1", "HasAns_exact": "has_answer_exact_match", "HasAns_f1": "has_answer_f1",
             "NoAns_exact": "no_answer_exact_match"}
    return {"rows": out, "values": {ours: values[theirs] for theirs, ours in names.items()}}


def thresholds(rng, count):
    """Answers, how much likelier "no answer" was for each, and the best F1 of any threshold. As in the script's own data, a
    difference below 0 is not allowed for the state that gives no answer at all, and texts are more than articles."""
    rows = [(p, a) for p, a in questions(rng, 4 * count, 0.4) if squad_metrics.normalize_answer(p) and all(map(squad_metrics.normalize_answer, a))][:count]
    differences = [round(rng.gauss(3 if not a else -3, 4), 3) + i * 1e-6 for i, (_, a) in enumerate(rows)]
    predictions = {str(i): p for i, (p, _) in enumerate(rows)}
    _, f1 = squad_metrics.get_raw_scores(examples(rows), predictions)
    odds = {str(i): d for i, d in enumerate(differences)}
    best, _ = squad_metrics.find_best_thresh(predictions, f1, odds, {str(i): bool(a) for i, (_, a) in enumerate(rows)})
    return {"rows": [{"prediction": p, "answers": a, "difference": d} for (p, a), d in zip(rows, differences)], "best_f1": best}


# ---- windows and n-best answers ----

CONTEXTS = [
    "\U0001F680 The bridge over the river was built in 1887 by the engineer who had drawn it, and it was opened by the mayor in the spring of"
    " the following year. For  forty years it carried carts and horses; in 1931 the first lorries came, and the old cat of the toll keeper slept"
    " in the sun. When the price of steel rose by 12.5 % to 3,400 dollars, nobody could've known that it would fall again so soon.",
    "Le café où l'été dernier nous étions assis était fermé à cause de la pluie.\n\nDer schnelle braune Fuchs springt über den faulen Hund,"
    " während die Katze schläft. 日本語 mixed with English, emoji 😀 here\u00a0and there, and a longer way back in the snow: it was good, but the"
    " film was very bad, which made the people sad.",
    "It was built in 1887.",
]
QUESTIONS = [
    (0, "When was the bridge built?", "1887"),
    (0, "  How much did steel cost in dollars?", "3,400"),
    (0, "\u00a0Who opened it?", "the mayor"),
    (0, "Who paid for the bridge?", None),
    (1, "Où étions-nous assis?", "Le café"),
    (1, "What does the fox do?", "springt über den faulen Hund"),
    (1, "How were the people?", "sad."),
    (2, "When?", "in 1887"),
    (2, "Why was it built?", None),
]
MAX_LENGTH, STRIDE = 64, 16
SETTINGS = [(20, 30, True, 0.0), (5, 8, True, 1.5), (3, 4, False, 0.0), (10, 60, True, -2.0)]


def logits(seed, rows):
    """Start and end logits of the rows of a window."""
    state = seed
    out = []
    for row in range(rows):
        for _ in range(2):
            state = (state * 1103515245 + 12345) % 2**31
            out.append((((state >> 16) % 32 - 16) * 512 + row) / 1024)
    return np.array(out).reshape(rows, 2)


def best_answers(context, windows, n_best, longest, may_be_none, threshold):
    found, none = [], None
    for (start, end), offsets in windows:
        if none is None or start[0] + end[0] < none:
            none = start[0] + end[0]
        for first in np.argsort(-start, kind="stable")[:n_best]:
            for last in np.argsort(-end, kind="stable")[:n_best]:
                if offsets[first] and offsets[last] and first <= last < first + longest:
                    found.append((start[first] + end[last], offsets[first][0], offsets[last][1]))
    if may_be_none:
        found.append((none, 0, 0))
    found.sort(key=lambda answer: -answer[0])
    found, rest = found[:n_best], found[n_best:]
    found += [answer for answer in rest if may_be_none and answer == (none, 0, 0)][:1]
    scores = np.array([answer[0] for answer in found])
    chances = np.exp(scores - scores.max(initial=-np.inf))
    chances /= chances.sum()
    texts = [context[begin:end] for _, begin, end in found]
    # Where no window has an allowed span, utils_qa.py answers with the word "empty", which stands nowhere; here that is no answer.
    top, given = next(((answer[0], text) for answer, text in zip(found, texts) if text), (0, ""))
    if may_be_none and none - top > threshold:
        given = ""
    return {"answer": given, "nbest": [{"text": t, "start": b, "end": e, "score": float(c)} for t, (_, b, e), c in zip(texts, found, chances)]}


class Rows(list):
    """Rows as utils_qa.py reads a data set."""

    def __getitem__(self, key):
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)


def check(official, context, windows, setting, ours):
    """That utils_qa.py gives the same, unless it finds nothing and says "empty"."""
    n_best, longest, may_be_none, threshold = setting
    features = Rows({"example_id": "0", "offset_mapping": offsets} for _, offsets in windows)
    logits = ([start for (start, _), _ in windows], [end for (_, end), _ in windows])
    with tempfile.TemporaryDirectory() as folder:
        given = official.postprocess_qa_predictions(
            Rows([{"id": "0", "context": context}]), features, logits, version_2_with_negative=may_be_none, n_best_size=n_best,
            max_answer_length=longest, null_score_diff_threshold=threshold, output_dir=folder)
        listed = json.loads((pathlib.Path(folder) / "nbest_predictions.json").read_text())["0"]
    if listed[0]["text"] == "empty":
        return
    assert given["0"] == ours["answer"], (given, ours)
    assert [answer["text"] for answer in listed] == [answer["text"] for answer in ours["nbest"]]
    assert np.allclose([answer["probability"] for answer in listed], [answer["score"] for answer in ours["nbest"]], rtol=0, atol=1e-12)


def windows_of(tokenizer, question, context):
    """Ids and offsets of each window; offsets are None outside the context. The whole is tokenised first and then cut by the
    tokenizers library: its versions 0.23.1 and 0.23.2 lose most of the context where they are told to cut while they tokenise."""
    whole = tokenizer(question.lstrip(), context)
    own = [i for i, s in enumerate(whole.sequence_ids()) if s == 1]
    before, after = whole["input_ids"][:own[0]], whole["input_ids"][own[-1] + 1:]
    part = tokenizer.backend_tokenizer.encode(context, add_special_tokens=False)
    assert part.ids == whole["input_ids"][own[0]:own[-1] + 1]
    part.truncate(MAX_LENGTH - len(before) - len(after), stride=STRIDE)
    return [(before + cut.ids + after, [None] * len(before) + cut.offsets + [None] * len(after)) for cut in [part] + part.overflowing]


def decoding(official, name, folder):
    tokenizer = tf.AutoTokenizer.from_pretrained(folder)
    rows = []
    for number, (of, question, answer) in enumerate(QUESTIONS):
        context = CONTEXTS[of]
        begin = None if answer is None else context.index(answer)
        windows, scored = [], []
        for w, (ids, offsets) in enumerate(windows_of(tokenizer, question, context)):
            own = [i for i, o in enumerate(offsets) if o is not None]
            start = end = 0
            # Where an answer begins in the last token of a window, run_qa.py runs on to the [SEP] behind it, whose offset is 0, and has
            # the model learn that; here it is the token.
            if answer is not None and offsets[own[0]][0] <= begin and offsets[own[-1]][1] >= begin + len(answer):
                start = max(i for i in own if offsets[i][0] <= begin)
                end = min(i for i in own if offsets[i][1] >= begin + len(answer))
            values = logits(1000 * number + w, len(ids))
            windows.append({"ids": ids, "start": start, "end": end})
            scored.append(((values[:, 0], values[:, 1]), offsets))
        decoded = [best_answers(context, scored, *setting) for setting in SETTINGS]
        for setting, ours in zip(SETTINGS, decoded):
            check(official, context, scored, setting, ours)
        rows.append({"question": question, "context": of, "answer": answer, "answer_start": begin, "windows": windows, "decoded": decoded})
    return {"tokenizer": name, "rows": rows}


def module(path):
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


if __name__ == "__main__":
    compute_score, utils_qa = module(sys.argv[1]), module(sys.argv[2])
    out = pathlib.Path(sys.argv[3])
    rng = random.Random(11)
    answers = {"v1": version_1(compute_score, questions(rng, 400, 0)), "v2": version_2(questions(rng, 400, 0.35)), "thresholds": thresholds(rng, 200)}
    goldens.write_json(out / "metrics/answers.json", answers)
    golden = {"contexts": CONTEXTS, "max_length": MAX_LENGTH, "stride": STRIDE,
              "settings": [dict(zip(("n_best", "longest", "may_be_none", "threshold"), setting)) for setting in SETTINGS],
              "decoding": [decoding(utils_qa, name, out / "tokenizers" / name) for name in ("electra", "modernbert", "xlm_roberta")]}
    goldens.write_json(out / "metrics/decoding.json", golden)
