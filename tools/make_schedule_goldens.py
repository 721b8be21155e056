#!/usr/bin/env python3
"""Writes src/test/resources/dev/attune/optim/schedules.json: learning rates of Transformers' schedules, step by step.
Needs torch and transformers."""
import json, pathlib
import torch
import transformers

cases = []
for kind in ("linear", "cosine", "constant", "constant_with_warmup"):
    for warmup, total in ((0, 7), (3, 10), (4, 4), (1, 1), (0, 1), (12, 5)):
        if kind == "constant" and warmup:
            continue  # ignores the warmup; ours with one is constant_with_warmup
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
        schedule = transformers.get_scheduler(kind, optimizer, warmup, total)
        rates = []
        for _ in range(total):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        cases.append({"kind": kind.split("_")[0], "peak": 3e-4, "warmup": warmup, "total": total, "rates": rates})
target = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/dev/attune/optim/schedules.json"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(json.dumps(cases) + "\n")
