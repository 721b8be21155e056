#!/usr/bin/env python3
"""Continues prompts with Transformers in float32, greedily and by beam search: what DecoderEndToEndTest compares with. Only needed to change them; the
build and the tests need no Python. Usage: make_generation_goldens.py MODELS_DIR OUT.json"""
import json, os, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, out = sys.argv[1:3]
cases = []
for name, prompt in [("stories260k", "Once upon a time, there was a"), ("tinystories-656k", "Tom had a big red ball. He"), ("tinystories-656k", "The cat")]:
    model = AutoModelForCausalLM.from_pretrained(os.path.join(folder, name), dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(os.path.join(folder, name))
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    for beams in (1, 4):
        with torch.no_grad():
            sequence = model.generate(ids, num_beams=beams, do_sample=False, max_new_tokens=60, early_stopping=False)[0]
            log_p = torch.log_softmax(model(sequence[None]).logits[0].double(), -1)
        new = range(ids.shape[1], len(sequence))
        cases.append({"model": name, "prompt": prompt, "beams": beams, "tokens": len(new), "log_probability": sum(log_p[i - 1, sequence[i]].item() for i in new),
                      "text": tokenizer.decode(sequence, skip_special_tokens=True)[len(tokenizer.decode(ids[0], skip_special_tokens=True)):]})
json.dump(cases, open(out, "w"), ensure_ascii=False, indent=1)
