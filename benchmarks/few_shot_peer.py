"""SetFit's method by sentence-transformers and scikit-learn: the peer of `attune train --task few-shot`.

    python benchmarks/few_shot_peer.py MODEL TRAIN.jsonl TEST.jsonl [--threads 2] [--seed 42]

MODEL is a sentence-transformers folder, or a plain one, whose vectors are then the mean of all tokens, made unit
vectors. Pairs are listed as setfit's sampler does (oversampling, rows with themselves too), the body learns one epoch
at 2e-5 in batches of 16 by CosineSimilarityLoss, the head is LogisticRegression. Prints one line of JSON: accuracy, and
the seconds of the body's training, of the head and of the test.
"""
import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer, losses, models
from sklearn.linear_model import LogisticRegression
from transformers import get_linear_schedule_with_warmup

EPOCHS, RATE, BATCH, WARMUP = 1, 2e-5, 16, 0.1


def rows(file):
    lines = [json.loads(line) for line in Path(file).read_text().splitlines()]
    return [line["text"] for line in lines], [line["label"] for line in lines]


def encoder(place):
    if (Path(place) / "modules.json").exists():
        return SentenceTransformer(place, device="cpu")
    transformer = models.Transformer(place, max_seq_length=256)
    pooling = models.Pooling(transformer.get_embedding_dimension(), "mean")
    return SentenceTransformer(modules=[transformer, pooling, models.Normalize()], device="cpu")


def pairs(labels):
    every = [(i, j) for i in range(len(labels)) for j in range(i, len(labels))]
    random.Random(42).shuffle(every)
    alike = [p for p in every if labels[p[0]] == labels[p[1]]]
    others = [p for p in every if labels[p[0]] != labels[p[1]]]
    count = max(len(alike), len(others))
    listed = []
    for i in range(count):
        listed.append((*alike[i % len(alike)], 1.0))
        listed.append((*others[i % len(others)], 0.0))
    return listed


def learn(model, texts, labels, seed):
    torch.manual_seed(seed)
    listed = pairs(labels)
    loss = losses.CosineSimilarityLoss(model)
    decayed = [p for n, p in model.named_parameters() if "bias" not in n and "LayerNorm" not in n]
    other = [p for n, p in model.named_parameters() if "bias" in n or "LayerNorm" in n]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": other, "weight_decay": 0.0}], lr=RATE
    )
    steps = EPOCHS * -(-len(listed) // BATCH)
    schedule = get_linear_schedule_with_warmup(optimizer, round(WARMUP * steps), steps)
    order = random.Random(seed)
    model.train()
    for _ in range(EPOCHS):
        order.shuffle(listed)
        for first in range(0, len(listed), BATCH):
            batch = listed[first : first + BATCH]
            features = [model.preprocess([texts[pair[side]] for pair in batch]) for side in (0, 1)]
            value = loss(features, torch.tensor([pair[2] for pair in batch]))
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    model.eval()
    return steps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = encoder(options.model)
    texts, labels = rows(options.train)
    test, gold = rows(options.test)
    begin = time.time()
    steps = learn(model, texts, labels, options.seed)
    learned = time.time()
    head = LogisticRegression(max_iter=1000).fit(model.encode(texts, show_progress_bar=False), labels)
    fitted = time.time()
    said = head.predict(model.encode(test, batch_size=64, show_progress_bar=False))
    print(
        json.dumps(
            {
                "accuracy": float((said == np.array(gold)).mean()),
                "steps": steps,
                "train_seconds": round(learned - begin, 1),
                "head_seconds": round(fitted - learned, 1),
                "test_seconds": round(time.time() - fitted, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
