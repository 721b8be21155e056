#!/usr/bin/env python3
"""Writes src/test/resources/dev/attune/model/rotary.json: frequencies and scales that Transformers' Llama computes from the rope parameters of
a config.json. Needs torch and transformers."""
import json, pathlib
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
LONG = {"rope_type": "longrope", "rope_theta": 500.0, "short_factor": [1.0, 1.25, 2.0, 3.5], "long_factor": [2.0] * 4}
CASES = [
    ({"rope_type": "default", "rope_theta": 500000.0}, {}),
    ({"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0}, {}),
    ({"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}, {}),
    ({"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, {}),
    (YARN, {}),
    (YARN | {"attention_factor": 1.3, "beta_fast": 16, "beta_slow": 2}, {}),
    (YARN | {"mscale": 1.0, "mscale_all_dim": 1.0}, {}),
    (YARN | {"mscale": 0.8, "mscale_all_dim": 0.3, "truncate": False}, {}),
    (YARN | {"factor": None}, {}),
    ({k: v for k, v in YARN.items() if k != "original_max_position_embeddings"}, {}),
    (YARN, {"original_max_position_embeddings": 32}),
    (LONG | {"original_max_position_embeddings": 64}, {}),
    (LONG | {"original_max_position_embeddings": 64, "factor": 8.0}, {}),
    (LONG | {"attention_factor": 1.1}, {"original_max_position_embeddings": 32}),
]
rows = []
for parameters, beside in CASES:
    config = LlamaConfig(hidden_size=32, num_attention_heads=4, head_dim=8, max_position_embeddings=256, rope_parameters=dict(parameters), **beside)
    rope = LlamaRotaryEmbedding(config)
    rows.append({"rope_parameters": parameters, "beside": beside, "frequencies": rope.inv_freq.tolist(), "scale": float(rope.attention_scaling)})
target = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/dev/attune/model/rotary.json"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(json.dumps(rows) + "\n")
