"""Fine-tuning by Transformers and PyTorch, the peer of the worked examples: trains on a file, measures on another, prints one
line of JSON.

    python benchmarks/transformers_peer.py TASK --model DIR --train FILE --test FILE [--epochs 3] ...

TASK is classification, multi-label or regression (JSONL or CSV rows with text, perhaps text_pair, and label, labels or score),
question-answering (SQuAD's JSON) or token-classification (a word and its tag a line). The recipe is that of `attune train`: AdamW,
weight decay 0.01 on all but biases and norms, a linear schedule after 10 % of warmup, gradients clipped to 1; what is measured is
what `attune evaluate` measures.
"""
import argparse
import collections
import csv
import json
import math
import random
import string
import time

import numpy as np
import torch
import transformers as tf
from sklearn.metrics import cohen_kappa_score, f1_score

EVALUATION_BATCH = 32


def table(path):
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file)) if path.endswith(".csv") else [json.loads(line) for line in file]
    return [(row["text"], row.get("text_pair"), row.get("label", row.get("labels", row.get("score")))) for row in rows]


def tagged(path):
    rows, words, tags = [], [], []
    for line in [*open(path, encoding="utf-8"), ""]:
        if line.strip():
            words.append(line.split("\t")[0])
            tags.append(line.split("\t")[-1].strip())
        elif words:
            rows.append((words, tags))
            words, tags = [], []
    return rows


def squad(path):
    return [(qa["question"], paragraph["context"], qa["answers"][0] if qa["answers"] else None)
            for page in json.load(open(path))["data"] for paragraph in page["paragraphs"] for qa in paragraph["qas"]]


class Texts:
    """Classification, multi-label and regression."""

    def __init__(self, options, train):
        self.kind = options.task
        self.names = [] if self.kind == "regression" else sorted({l for row in train for l in self.labels(row)})
        self.outputs = max(1, len(self.names))
        self.auto = tf.AutoModelForSequenceClassification

    def labels(self, row):
        return row[2] if isinstance(row[2], list) else str(row[2]).split("|") if self.kind == "multi-label" else [row[2]]

    def encode(self, tokenizer, rows, length):
        pairs = [row[1] for row in rows] if rows[0][1] is not None else None
        e = tokenizer([row[0] for row in rows], pairs, truncation=True, max_length=length, padding=True, return_tensors="pt")
        if self.kind == "regression":
            targets = torch.tensor([float(row[2]) for row in rows])
        elif self.kind == "multi-label":
            targets = torch.tensor([[float(name in self.labels(row)) for name in self.names] for row in rows])
        else:
            targets = torch.tensor([self.names.index(row[2]) for row in rows])
        return e, targets

    def loss(self, output, targets):
        functions = {"regression": lambda: torch.nn.functional.mse_loss(output.logits[:, 0].float(), targets),
                     "multi-label": lambda: torch.nn.functional.binary_cross_entropy_with_logits(output.logits.float(), targets)}
        return functions.get(self.kind, lambda: torch.nn.functional.cross_entropy(output.logits.float(), targets))()

    def measure(self, rows, outputs):
        logits = np.concatenate([o.logits.float().numpy() for o, _ in outputs])
        gold = np.concatenate([targets.numpy() for _, targets in outputs])
        if self.kind == "regression":
            said = np.rint(logits[:, 0]).astype(int)
            low, high = min(gold.min(), said.min()), max(gold.max(), said.max())
            return {"qwk": cohen_kappa_score(gold.astype(int), said, weights="quadratic", labels=range(int(low), int(high) + 1)),
                    "pearson": float(np.corrcoef(gold, logits[:, 0])[0, 1])}
        if self.kind == "multi-label":
            return {"f1_micro": f1_score(gold, logits > 0, average="micro"), "f1_macro": f1_score(gold, logits > 0, average="macro", zero_division=0)}
        said = logits.argmax(-1)
        return {"accuracy": float((said == gold).mean()), "f1_macro": f1_score(gold, said, average="macro")}


class Tags:
    """Tokens, whose first pieces have the tags; entity F1 of exact spans."""

    def __init__(self, options, train):
        self.names = sorted({tag for _, tags in train for tag in tags})
        self.outputs = len(self.names)
        self.auto = tf.AutoModelForTokenClassification

    def encode(self, tokenizer, rows, length):
        e = tokenizer([words for words, _ in rows], is_split_into_words=True, truncation=True, max_length=length, padding=True, return_tensors="pt")
        targets = torch.full(e["input_ids"].shape, -100)
        for r, (_, tags) in enumerate(rows):
            last = None
            for i, w in enumerate(e.word_ids(r)):
                if w is not None and w != last:
                    targets[r, i] = self.names.index(tags[w])
                last = w
        return e, targets

    def loss(self, output, targets):
        return torch.nn.functional.cross_entropy(output.logits.float().flatten(0, 1), targets.flatten())

    @staticmethod
    def spans(tags):
        found, start, kind = set(), None, None
        for i, tag in enumerate([*tags, "O"]):
            if start is not None and (tag[0] in "OB" or tag[2:] != kind):
                found.add((start, i, kind))
                start = None
            if tag != "O" and start is None:
                start, kind = i, tag[2:]
        return found

    def measure(self, rows, outputs):
        said = [[self.names[k] for k, t in zip(line, gold) if t >= 0]
                for o, targets in outputs for line, gold in zip(o.logits.argmax(-1).tolist(), targets.tolist())]
        right = given = there = 0
        for (_, tags), own in zip(rows, said, strict=True):
            own = self.spans(own + ["O"] * (len(tags) - len(own)))
            gold = self.spans(tags)
            right, given, there = right + len(own & gold), given + len(own), there + len(gold)
        return {"f1": 2 * right / max(1, given + there)}


class Answers:
    """Spans of contexts that fit into one sequence, or none: the first token then."""

    def __init__(self, options, train):
        self.outputs = 2
        self.auto = tf.AutoModelForQuestionAnswering

    def encode(self, tokenizer, rows, length):
        e = tokenizer([q for q, _, _ in rows], [c for _, c, _ in rows], truncation="only_second", max_length=length, padding=True,
                      return_tensors="pt", return_offsets_mapping=True)
        offsets = e.pop("offset_mapping").tolist()
        targets = torch.zeros(len(rows), 2, dtype=torch.long)
        places = []
        for r, (_, _, answer) in enumerate(rows):
            inside = [o if s == 1 else None for o, s in zip(offsets[r], e.sequence_ids(r))]
            places.append(inside)
            if answer:
                first, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
                covered = [i for i, o in enumerate(inside) if o and o[0] < end and o[1] > first]
                targets[r] = torch.tensor([covered[0], covered[-1]]) if covered else targets[r]
        self.places = places
        return e, targets

    def loss(self, output, targets):
        return (torch.nn.functional.cross_entropy(output.start_logits.float(), targets[:, 0])
                + torch.nn.functional.cross_entropy(output.end_logits.float(), targets[:, 1])) / 2

    def keep(self, output):
        output.places = self.places
        return output

    @staticmethod
    def words(text):
        kept = "".join(c for c in text.lower() if c not in string.punctuation)
        return [w for w in kept.split() if w not in ("a", "an", "the")]

    def measure(self, rows, outputs):
        exact = f1 = 0.0
        rest = iter(rows)
        for output, _ in outputs:
            for r, places in enumerate(output.places):
                _, context, answer = next(rest)
                start, end = output.start_logits[r].float(), output.end_logits[r].float()
                best, span = float(start[0] + end[0]), ""
                for i in torch.topk(start, min(20, len(places))).indices.tolist():
                    for j in torch.topk(end, min(20, len(places))).indices.tolist():
                        if places[i] and places[j] and i <= j < i + 30 and float(start[i] + end[j]) > best:
                            best, span = float(start[i] + end[j]), context[places[i][0]:places[j][1]]
                said, gold = self.words(span), self.words(answer["text"] if answer else "")
                shared = sum((collections.Counter(said) & collections.Counter(gold)).values())
                exact += said == gold
                f1 += float(said == gold) if not said or not gold else 2 * shared / (len(said) + len(gold))
        return {"exact_match": 100 * exact / len(rows), "f1": 100 * f1 / len(rows)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=["classification", "multi-label", "regression", "question-answering", "token-classification"])
    for name in ("model", "train", "test"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-5)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    read = {"question-answering": squad, "token-classification": tagged}.get(options.task, table)
    kind = {"question-answering": Answers, "token-classification": Tags}.get(options.task, Texts)
    train, test = read(options.train), read(options.test)
    task = kind(options, train)
    tokenizer = tf.AutoTokenizer.from_pretrained(options.model)
    model = task.auto.from_pretrained(options.model, num_labels=task.outputs)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}], lr=options.lr)
    steps = options.epochs * math.ceil(len(train) / options.batch)
    schedule = tf.get_linear_schedule_with_warmup(optimizer, round(0.1 * steps), steps)

    def run(rows):
        encoded, targets = task.encode(tokenizer, rows, options.max_length)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
            output = model(**encoded)
        return task.keep(output) if hasattr(task, "keep") else output, targets

    begin = time.time()
    model.train()
    for _ in range(options.epochs):
        random.shuffle(train)
        for first in range(0, len(train), options.batch):
            task.loss(*run(train[first:first + options.batch])).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    seconds = time.time() - begin
    model.eval()
    with torch.no_grad():
        outputs = [run(test[first:first + EVALUATION_BATCH]) for first in range(0, len(test), EVALUATION_BATCH)]
    measured = {name: round(float(value), 4) for name, value in task.measure(test, outputs).items()}
    print(json.dumps({**measured, "steps": steps, "seconds": round(seconds, 1), "seed": options.seed}))


if __name__ == "__main__":
    main()
