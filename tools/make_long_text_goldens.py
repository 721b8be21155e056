#!/usr/bin/env python3
"""Writes src/test/resources/goldens/long_texts.json: what Transformers computes (float32, eager attention) with tiny models of
make_family_goldens.py for one text of 2,048 tokens, far beyond max_position_embeddings of their config.json. Token i is
5 + (i * 31 + i * i) mod 75. Needs torch and transformers."""
import json, pathlib
import torch
import transformers as tf
import goldens

LENGTH = 2048
NAMES = ["deberta", "eurobert", "eurobert_mean", "modernbert", "nomic_bert"]
torch.set_num_threads(1)
root = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/goldens"


def logits(name):
    folder = goldens.unpacked(root / name)
    kind = json.loads((folder / "config.json").read_text())["architectures"][0]
    model = getattr(tf, kind).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = [5 + (i * 31 + i * i) % 75 for i in range(LENGTH)]
    with torch.no_grad():
        return [float(f"{x:.7g}") for x in model(input_ids=torch.tensor([ids])).logits[0]]


text = json.dumps({"length": LENGTH, "transformers": tf.__version__, "logits": {name: logits(name) for name in NAMES}}, indent=1)
(root / "long_texts.json").write_text(text + "\n")
