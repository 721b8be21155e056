"""Makes src/test/resources/embeddings/minilm.json: vectors of texts as sentence-transformers computes them.

    python tools/make_embedding_goldens.py FOLDER

FOLDER is all-MiniLM-L6-v2 as `--model minilm` makes it. Needs sentence-transformers.
"""
import sys
from pathlib import Path

from sentence_transformers import SentenceTransformer, models

import goldens

TEXTS = [
    "hello",
    "The quick brown fox jumps over the lazy dog.",
    "Grüße aus München: ça va?",
    "word " * 400,  # cut at 256 tokens
    "",
    "😀 not bad at all",
]

transformer = models.Transformer(sys.argv[1], max_seq_length=256)
pooling = models.Pooling(transformer.get_embedding_dimension(), "mean")
model = SentenceTransformer(modules=[transformer, pooling, models.Normalize()], device="cpu")
vectors = model.encode(TEXTS, convert_to_numpy=True)
out = Path(__file__).parent.parent / "src/test/resources/embeddings/minilm.json"
out.parent.mkdir(parents=True, exist_ok=True)
rows = [{"text": text, "vector": [float(f"{x:.8g}") for x in vector]} for text, vector in zip(TEXTS, vectors)]
goldens.write_json(out, rows)
