"""Makes src/test/resources/goldens/sentences.json: what sentence-transformers' losses and evaluators say of a tiny BERT.

    python tools/make_sentence_goldens.py

The model is goldens/bert of the test resources, without its head. For each loss: the loss and the gradient's norm of 20
steps of AdamW at a constant rate, batches in the order of the rows, no dropout. For each form of data: the metrics of
the untrained model. Needs sentence-transformers 6.
"""
import json
import random
import tempfile
from pathlib import Path

import goldens

import torch
from sentence_transformers import SentenceTransformer, losses, models
from sentence_transformers.sentence_transformer.evaluation import (
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
    TripletEvaluator,
)

torch.set_num_threads(1)
RESOURCES = Path(__file__).parent.parent / "src/test/resources/goldens"
STEPS, BATCH, RATE = 20, 4, 2e-3
WORDS = "red blue cat dog runs sleeps the a big small tree house sings old new sun".split()
generator = random.Random(11)


def text():
    return " ".join(generator.choice(WORDS) for _ in range(generator.randint(2, 7)))


def folder():
    """The tiny model with a vocabulary of as many words as it has tokens."""
    config = json.loads((RESOURCES / "bert/config.json").read_text())
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    vocabulary += [f"[unused{i}]" for i in range(config["vocab_size"] - len(vocabulary))]
    assert len(vocabulary) == config["vocab_size"], config["vocab_size"]
    out = Path(tempfile.mkdtemp())
    for key in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"):
        config[key] = 0.0
    (out / "config.json").write_text(json.dumps(config))
    (out / "model.safetensors").write_bytes((goldens.unpacked(RESOURCES / "bert") / "model.safetensors").read_bytes())
    (out / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    (out / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    return out, vocabulary


PLACE, VOCABULARY = folder()


def model(pooling="mean", normalize=False):
    transformer = models.Transformer(str(PLACE))
    modules = [transformer, models.Pooling(transformer.get_embedding_dimension(), pooling)]
    return SentenceTransformer(modules=modules + ([models.Normalize()] if normalize else []), device="cpu")


def curve(encoder, loss, rows, scores):
    """Losses and gradient norms, as a trainer with these settings has them."""
    named = [(n, p) for n, p in encoder.named_parameters() if "pooler" not in n]
    plain = lambda n: n.endswith("bias") or "LayerNorm" in n
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for n, p in named if not plain(n)], "weight_decay": 0.01},
            {"params": [p for n, p in named if plain(n)], "weight_decay": 0.0},
        ],
        lr=RATE,
    )
    encoder.train()
    out = {"loss": [], "grad_norm": []}
    for step in range(STEPS):
        at = step * BATCH % len(rows)
        batch = rows[at : at + BATCH]
        features = [encoder.preprocess([row[c] for row in batch]) for c in range(len(rows[0]))]
        labels = None if scores is None else torch.tensor(scores[at : at + BATCH])
        value = loss(features, labels)
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        out["loss"].append(float(f"{value.item():.7g}"))
        out["grad_norm"].append(float(f"{norm.item():.7g}"))
    return out


def metrics(evaluator):
    return {name: float(value) for name, value in evaluator(model()).items()}


def main():
    rows = [[text() for _ in range(4)] for _ in range(24)]
    scores = [round(generator.random(), 2) for _ in rows]
    scores[5] = scores[4]  # equal ones are not ranked
    pairs, triplets = [r[:2] for r in rows], [r[:3] for r in rows]
    ranking = losses.MultipleNegativesRankingLoss
    symmetric = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    distance = losses.TripletDistanceMetric
    cases = {
        "pairs": (pairs, None, lambda m: ranking(m), {}, {}),
        "triplets": (triplets, None, lambda m: ranking(m), {}, {}),
        "hard negatives": (rows, None, lambda m: ranking(m, scale=10.0), {"loss-scale": "10"}, {}),
        "first token": (pairs, None, lambda m: ranking(m), {"pooling": "cls"}, {"pooling": "cls"}),
        "last token, unit vectors": (
            triplets,
            None,
            lambda m: losses.TripletLoss(m, triplet_margin=1.0),
            {"loss": "triplet", "loss-margin": "1", "pooling": "lasttoken", "normalize": "true"},
            {"pooling": "lasttoken", "normalize": True},
        ),
        "symmetric": (
            triplets,
            None,
            lambda m: ranking(m, **symmetric),
            {"loss": "multiple-negatives-symmetric-ranking"},
            {},
        ),
        "cosent": (pairs, scores, losses.CoSENTLoss, {}, {}),
        "cosine": (pairs, scores, losses.CosineSimilarityLoss, {"loss": "cosine-similarity"}, {}),
        "euclidean": (triplets, None, losses.TripletLoss, {"loss": "triplet"}, {}),
        "cosine distance": (
            triplets,
            None,
            lambda m: losses.TripletLoss(m, distance.COSINE, 0.5),
            {"loss": "triplet", "triplet-distance": "cosine", "loss-margin": "0.5"},
            {},
        ),
        "matryoshka": (
            triplets,
            None,
            lambda m: losses.MatryoshkaLoss(m, ranking(m, **symmetric), [16, 8, 4], [1, 0.5, 2]),
            {
                "loss": "multiple-negatives-symmetric-ranking",
                "matryoshka-dims": "16,8,4",
                "matryoshka-weights": "1,0.5,2",
            },
            {},
        ),
        "matryoshka of scores": (
            pairs,
            scores,
            lambda m: losses.MatryoshkaLoss(m, losses.CoSENTLoss(m), [8, 16]),
            {"matryoshka-dims": "8,16"},
            {},
        ),
    }
    trained = []
    for name, (data, labels, loss, options, how) in cases.items():
        encoder = model(**how)
        values = curve(encoder, loss(encoder), data, labels)
        print(name, values["loss"][0], values["loss"][-1], values["grad_norm"][0])
        trained.append(
            {"name": name, "columns": len(data[0]), "scored": labels is not None, "options": options, **values}
        )

    # Anchors that come twice have two positives, texts that come twice are one document.
    retrieval = [list(row[:3]) for row in rows]
    retrieval[3][0] = retrieval[2][0]
    retrieval[7][1] = retrieval[6][1]
    retrieval[9][2] = retrieval[8][1]
    queries, documents, relevant = {}, {}, {}
    for anchor, positive, negative in retrieval:
        query = queries.setdefault(anchor, f"q{len(queries)}")
        for document in (positive, negative):
            documents.setdefault(document, f"d{len(documents)}")
        relevant.setdefault(query, set()).add(documents[positive])
    columns = list(zip(*retrieval))
    found = metrics(
        InformationRetrievalEvaluator(
            {v: k for k, v in queries.items()},
            {v: k for k, v in documents.items()},
            relevant,
            mrr_at_k=[10],
            ndcg_at_k=[10],
            accuracy_at_k=[1],
            precision_recall_at_k=[1, 5, 10],
            map_at_k=[10],
        )
    )
    judged = metrics(TripletEvaluator(*columns))
    alike = metrics(EmbeddingSimilarityEvaluator([p[0] for p in pairs], [p[1] for p in pairs], scores))
    golden = {
        "steps": STEPS,
        "batch_size": BATCH,
        "learning_rate": RATE,
        "vocabulary": VOCABULARY,
        "rows": rows,
        "scores": scores,
        "trained": trained,
        "retrieval": {
            "rows": retrieval,
            "metrics": {
                "accuracy": judged["cosine_accuracy"],
                "recall@1": found["cosine_recall@1"],
                "recall@5": found["cosine_recall@5"],
                "recall@10": found["cosine_recall@10"],
                "mrr@10": found["cosine_mrr@10"],
                "ndcg@10": found["cosine_ndcg@10"],
            },
        },
        "similarity": {"spearman": alike["spearman_cosine"], "pearson": alike["pearson_cosine"]},
    }
    goldens.write_json(RESOURCES / "sentences.json", golden, separators=(",", ":"))


main()
