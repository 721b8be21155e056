#!/usr/bin/env python3
"""Writes src/test/resources/tokenizers/scripts/named.json: ids that Transformers gives the texts of goldens.json beside it, and the
rows of examples/zh-feedback/test.csv, with the vocabularies of models that have names here.

    tools/make_named_tokenizer_goldens.py NAME=FOLDER...     bge-small-zh=…/models/bge-small-zh-…

Needs transformers."""
import csv, gzip, json, pathlib, sys
import transformers as tf
import goldens

root = pathlib.Path(__file__).resolve().parent.parent
target = root / "src/test/resources/tokenizers/scripts"
texts = json.loads(gzip.decompress((target / "goldens.json.gz").read_bytes()))["texts"]
with open(root / "examples/zh-feedback/test.csv", encoding="utf-8", newline="") as file:
    rows = [row["text"] for row in csv.DictReader(file)]
out = {}
for argument in sys.argv[1:]:
    name, folder = argument.split("=", 1)
    tokenizer = tf.AutoTokenizer.from_pretrained(folder)
    out[name] = {"texts": [tokenizer(text)["input_ids"] for text in texts], "feedback": [tokenizer(row)["input_ids"] for row in rows]}
    print(name, type(tokenizer).__name__, len(tokenizer), "tokens")
goldens.write_json(target / "named.json", out, separators=(",", ":"))
