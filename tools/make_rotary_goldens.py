#!/usr/bin/env python3
"""Writes src/test/resources/dev/attune/model: rotary.json, frequencies and scales that Transformers' Llama computes from the rope parameters of
a config.json, and of "longer" texts where they have others; and long_texts.json, what the tiny models of make_family_goldens.py compute of texts
around the length from which on that is so, each alone, and how they go on greedily across it. Needs torch and transformers."""
import json, pathlib, shutil, tempfile
import torch
import transformers as tf
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
import goldens

torch.set_num_threads(1)
tf.utils.logging.set_verbosity_error()
tf.utils.logging.disable_progress_bar()
resources = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"

YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
LONG = {"rope_type": "longrope", "rope_theta": 500.0, "short_factor": [1.0, 1.25, 2.0, 3.5], "long_factor": [2.0, 3.0, 4.5, 9.0]}
CASES = [
    ({"rope_type": "default", "rope_theta": 500000.0}, {}),
    ({"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0}, {}),
    ({"rope_type": "proportional", "rope_theta": 10000.0}, {}),
    ({"rope_type": "proportional", "rope_theta": 10000.0, "factor": 3.0, "partial_rotary_factor": 0.7}, {}),
    ({"rope_type": "proportional", "rope_theta": 10000.0}, {"partial_rotary_factor": 0.25}),
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
    row = {"rope_parameters": parameters, "beside": beside, "frequencies": rope.inv_freq.tolist(), "scale": float(rope.attention_scaling), "longer": []}
    if parameters["rope_type"] in ("dynamic", "longrope"):
        for length in (32, 33, 64, 65, 256, 257, 300, 1000):
            rope = LlamaRotaryEmbedding(config)
            rope(torch.zeros(1), torch.arange(length)[None])
            row["longer"].append({"length": length, "frequencies": rope.inv_freq.tolist()})
    rows.append(row)
target = resources / "dev/attune/model/rotary.json"
target.parent.mkdir(parents=True, exist_ok=True)
goldens.write_json(target, rows)

# The length from which on texts turn otherwise, or the model's positions, is 8.
NTK = {"rope_type": "dynamic", "rope_theta": 50.0, "factor": 3.0}


def longrope(pairs, **more):
    return {"rope_type": "longrope", "rope_theta": 50.0, "original_max_position_embeddings": 8, "short_factor": [1.0 + 0.3 * i for i in range(pairs)],
            "long_factor": [1.5 + 0.9 * i for i in range(pairs)]} | more


def kinds(full, sliding):
    return {"rope_parameters": {"full_attention": full, "sliding_attention": sliding}}


PLAIN = {"rope_type": "default", "rope_theta": 20.0}
YARN = {"rope_type": "yarn", "rope_theta": 20.0, "factor": 4.0, "original_max_position_embeddings": 8}
MODELS = [
    ("llama", {"rope_parameters": longrope(4)}),
    ("llama", {"rope_parameters": longrope(4, factor=4.0)}),
    ("llama", {"rope_parameters": NTK, "max_position_embeddings": 8}),
    ("llama_cls", {"rope_parameters": longrope(4)}),
    ("llama_cls", {"rope_parameters": NTK, "max_position_embeddings": 8}),
    ("qwen3", {"rope_parameters": longrope(4, attention_factor=1.2)}),
    ("mistral", {"rope_parameters": longrope(4), "sliding_window": 5}),
    ("gpt_neox", {"rope_parameters": longrope(2, partial_rotary_factor=0.5)}),
    ("gpt_neox", {"rope_parameters": NTK | {"partial_rotary_factor": 0.5}, "max_position_embeddings": 8}),
    ("modernbert", kinds(longrope(4), PLAIN)),
    ("modernbert", kinds(longrope(4), longrope(4, long_factor=[1.0, 2.0, 3.0, 4.0]))),
    ("modernbert", kinds(NTK, PLAIN) | {"max_position_embeddings": 8}),
    ("modernbert", kinds(YARN, PLAIN)),
    ("modernbert", kinds(YARN, PLAIN) | {"classifier_pooling": "mean"}),
]
LENGTHS, PROMPTS, NEW = [5, 8, 9, 17, 22], [3, 7, 8, 9, 14], 12
rows = []
random = torch.Generator().manual_seed(5)
for folder, edits in MODELS:
    source = goldens.unpacked(resources / "goldens" / folder)
    config = json.loads((source / "config.json").read_text()) | edits
    texts = [torch.randint(4, 80, (n,), generator=random) for n in LENGTHS]
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(source / "model.safetensors", work)
        (pathlib.Path(work) / "config.json").write_text(json.dumps(config))

        def fresh():
            model = getattr(tf, config["architectures"][0]).from_pretrained(work, dtype=torch.float32).eval()
            if model.can_generate():
                model.generation_config.eos_token_id = None
            return model
        row = {"folder": folder, "set": edits, "texts": [t.tolist() for t in texts], "logits": []}
        for text in texts:  # a model that has seen longer ones keeps something of them
            with torch.no_grad():
                logits = fresh()(text[None]).logits[0]
            row["logits"].append([float(f"{x:.7g}") for x in (logits[-1] if logits.dim() == 2 else logits)[:5]])
        if config["architectures"][0].endswith("LM"):
            prompts = [torch.randint(4, 80, (n,), generator=random) for n in PROMPTS]
            row["prompts"] = [p.tolist() for p in prompts]
            row["greedy"] = [fresh().generate(p[None], attention_mask=torch.ones(1, len(p), dtype=torch.long), max_new_tokens=NEW, do_sample=False, pad_token_id=0)[0, len(p):].tolist() for p in prompts]
        rows.append(row)
goldens.write_json(resources / "dev/attune/model/long_texts.json", rows)
