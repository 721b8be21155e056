#!/usr/bin/env python3
"""Writes src/test/resources/dev/attune/optim/schedules.json: learning rates of Transformers' schedules, step by step.
Needs torch and transformers."""
import json, pathlib
import torch
import transformers

CASES = ((0, 7), (3, 10), (4, 4), (1, 1), (0, 1), (12, 5))
KINDS = (
    ("linear", {}),
    ("cosine", {}),
    ("cosine", {"num_cycles": 1.5}),
    ("cosine_with_restarts", {}),
    ("cosine_with_restarts", {"num_cycles": 3}),
    ("cosine_with_min_lr", {"min_lr": 1e-5}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.25}),
    ("polynomial", {}),
    ("polynomial", {"power": 2.0, "lr_end": 1e-5}),
    ("inverse_sqrt", {}),
    ("inverse_sqrt", {"timescale": 4}),
    ("constant", {}),
    ("constant_with_warmup", {}),
    ("warmup_stable_decay", {"num_decay_steps": 3}),
    ("warmup_stable_decay", {"num_decay_steps": 4, "min_lr_ratio": 0.1}),
)
cases = []
for kind, parameters in KINDS:
    for warmup, total in CASES:
        if kind == "polynomial" and warmup == total:
            continue  # divides by zero there; the run has no step after the warmup
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
        schedule = transformers.get_scheduler(kind, optimizer, warmup, total, dict(parameters))
        rates = []
        for _ in range(total):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        cases.append({"kind": kind, "parameters": parameters, "peak": 3e-4, "warmup": warmup, "total": total,
                      "rates": rates})
target = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/dev/attune/optim/schedules.json"
target.parent.mkdir(parents=True, exist_ok=True)
goldens.write_json(target, cases)
