"""Fine-tunes a sentence-transformers model on scored pairs and prints one JSON object: what embeddings.sh compares with.

Rows are JSON lines of sentence1, sentence2 and score. Lengths are not grouped unless --group-by-length says so; padding is to the
longest text of a batch, as sentence-transformers does. Real tokens are counted with special tokens, padding left out; the
clock runs over the whole of training, without the first steps, in which PyTorch warms up.
"""

import argparse
import json
import random
import tempfile
import time

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator
from sentence_transformers.sentence_transformer.losses import CoSENTLoss, CosineSimilarityLoss
from transformers import TrainerCallback

WARM_STEPS = 3


class Clock(TrainerCallback):
    """Times the steps after the first few."""

    def __init__(self):
        self.started = self.ended = None

    def on_step_end(self, args, state, control, **kwargs):
        self.ended = time.perf_counter()
        if state.global_step == WARM_STEPS:
            self.started = self.ended


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main():
    options = argparse.ArgumentParser()
    for name in ("model", "train", "test"):
        options.add_argument("--" + name, required=True)
    options.add_argument("--loss", choices=["cosent", "cosine-similarity"], default="cosent")
    options.add_argument("--epochs", type=float, default=1)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--lr", type=float, default=2e-5)
    options.add_argument("--seed", type=int, default=42)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--bf16", action="store_true")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    random.seed(given.seed)

    model = SentenceTransformer(given.model, device="cpu")
    rows, test = read(given.train), read(given.test)
    columns = ["sentence1", "sentence2", "score"]
    dataset = Dataset.from_dict({name: [row[name] for row in rows] for name in columns})
    evaluator = EmbeddingSimilarityEvaluator(*[[row[name] for row in test] for name in columns])
    before = evaluator(model)["spearman_cosine"]
    tokens = sum(
        len(ids) for name in columns[:2] for ids in model.tokenizer([row[name] for row in rows], truncation=True)["input_ids"]
    )
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        SentenceTransformerTrainer(
            model=model,
            args=SentenceTransformerTrainingArguments(
                output_dir=folder,
                num_train_epochs=given.epochs,
                per_device_train_batch_size=given.batch,
                learning_rate=given.lr,
                weight_decay=0.0,
                warmup_steps=0.1,
                seed=given.seed,
                bf16=given.bf16,
                use_cpu=True,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=dataset,
            loss={"cosent": CoSENTLoss, "cosine-similarity": CosineSimilarityLoss}[given.loss](model),
            callbacks=[clock],
        ).train()
    steps = -(-len(rows) // given.batch) * given.epochs
    print(
        json.dumps(
            {
                "before": before,
                "spearman": evaluator(model)["spearman_cosine"],
                "tokens_per_second": tokens * given.epochs * (steps - WARM_STEPS) / steps / (clock.ended - clock.started),
            }
        )
    )


if __name__ == "__main__":
    main()
