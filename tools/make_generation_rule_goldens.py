#!/usr/bin/env python3
"""Writes src/test/resources/generation/rules.json: what Transformers generates with the small Llama of the tests where
generation_config.json limits which tokens may come. Needs torch and transformers."""
import json, pathlib
import goldens
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

resources = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"
model = AutoModelForCausalLM.from_pretrained(resources / "goldens/llama", dtype=torch.float32).eval()
PROMPTS = [[5, 9, 5, 9, 7], [3, 14, 15, 9, 2, 6, 5, 3, 14], [11]]


def ids(prompt, config):
    with torch.no_grad():
        given = dict(config)
        given.setdefault("eos_token_id", [])
        end = given.pop("eos_token_id")
        settings = GenerationConfig(do_sample=False, max_new_tokens=12, pad_token_id=0, eos_token_id=end or None, **given)
        return model.generate(torch.tensor([prompt]), generation_config=settings)[0, len(prompt):].tolist()


free = [ids(prompt, {}) for prompt in PROMPTS]
first, second = free[0][0], free[0][1]
CASES = [
    {},
    {"repetition_penalty": 1.3},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"suppress_tokens": [first]},
    {"begin_suppress_tokens": [first, second]},
    {"bad_words_ids": [[first], [second]]},
    {"bad_words_ids": [[first, second], [free[1][0], free[1][1], free[1][2]], [free[2][0]]]},
    {"eos_token_id": [first]},
    {"eos_token_id": [first, second], "min_new_tokens": 4},
    {"eos_token_id": [first], "min_length": 9},
    {"eos_token_id": [first], "min_new_tokens": 3, "bad_words_ids": [[first]], "no_repeat_ngram_size": 2, "repetition_penalty": 1.1},
]
rows = [{"generation_config": config, "rows": [{"prompt": prompt, "new": ids(prompt, config)} for prompt in PROMPTS]} for config in CASES]
goldens.write_json(resources / "generation/rules.json", rows)
