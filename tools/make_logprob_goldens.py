#!/usr/bin/env python3
"""Writes src/test/resources/generation/logprobs.json: the tokens that Transformers chooses with small models of the tests
in float32, always the most probable one, the log-softmax of the chosen ones and of the most probable ones at their places,
as `generate(output_logits=True)` gives the logits before any processor. Only needed to change them; the build and the tests
need no Python. Usage: make_logprob_goldens.py"""
import json, pathlib
import goldens, torch
from transformers import AutoModelForCausalLM

resources = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"
rows = []
for name in ("gpt2", "llama", "qwen3"):
    model = AutoModelForCausalLM.from_pretrained(goldens.unpacked(resources / "goldens" / name), dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None
    generator = torch.Generator().manual_seed(3)
    for length in (1, 5, 12):
        prompt = torch.randint(3, model.config.vocab_size, (1, length), generator=generator)
        with torch.no_grad():
            out = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=8, pad_token_id=0,
                                 return_dict_in_generate=True, output_logits=True, repetition_penalty=1.5 if length == 5 else 1.0)
        tokens = out.sequences[0, length:]
        steps = []
        for token, logits in zip(tokens, out.logits):
            logprobs = torch.log_softmax(logits[0].double(), -1)
            top = torch.topk(logprobs, 5)
            steps.append({"token": token.item(), "logprob": round(logprobs[token].item(), 7), "top": top.indices.tolist(), "top_logprobs": [round(p, 7) for p in top.values.tolist()]})
        rows.append({"model": name, "repetition_penalty": 1.5 if length == 5 else 1.0, "prompt": prompt[0].tolist(), "steps": steps})
goldens.write_json(resources / "generation/logprobs.json", rows)
