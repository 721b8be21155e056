#!/usr/bin/env python3
"""Writes into src/test/resources/dev/attune/optim: schedules.json, learning rates of Transformers' schedules, step by
step; plateaus.json, those that follow evaluations, one after each. Needs torch and transformers."""
import pathlib, random
import goldens
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
    ("cosine_warmup_with_min_lr", {"min_lr": 1e-5}),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.25, "warmup_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1, "num_cycles": 1.5}),
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
target = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/dev/attune/optim"
target.mkdir(parents=True, exist_ok=True)
goldens.write_json(target / "schedules.json", cases)

draws = random.Random(7)
plateaus = []


def followed(kind, mode, parameters, count, changes):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    schedule = transformers.get_scheduler(kind, optimizer, 0, 1, {"mode": mode, **parameters})
    metrics, rates = [], []
    level = 1.0
    for _ in range(count):
        level *= draws.choice(changes)
        metrics.append(level if mode == "min" else 2 - level)
        schedule.step(metrics[-1])
        rates.append(optimizer.param_groups[0]["lr"])
    return {"kind": kind, "mode": mode, "parameters": parameters, "peak": 3e-4, "metrics": metrics, "rates": rates}


for mode in ("min", "max"):
    for parameters in ({}, {"patience": 0}, {"patience": 1, "factor": 0.5, "min_lr": 4e-5},
                       {"patience": 1, "cooldown": 2, "threshold": 0.05}, {"patience": 0, "factor": 0.5, "eps": 4e-5}):
        plateaus.append(followed("reduce_lr_on_plateau", mode, parameters, 40, (0.9, 0.99, 1.0, 1.0, 1.02)))
for mode in ("min", "max"):
    for parameters in ({}, {"patience": 0, "min_lr": 0.0}, {"patience": 1, "min_lr": 1e-4, "max_lr": 5e-4}, {"patience": 1, "min_lr": 2e-4, "reset_start": 2, "factor": 0.6},
                       {"patience": 0, "cooldown": 2, "warmup": 3, "min_lr": 1e-5}, {"patience": 0, "smooth": True, "window_size": 3, "min_lr": 0.0, "threshold": 0.01},
                       {"patience": 0, "min_lr": 2.9e-4, "reset_start": 3, "smooth": True, "window_size": 4, "cooldown": 1, "eps": 2e-6}):
        plateaus.append(followed("greedy", mode, parameters, 60, (0.9, 0.9, 0.99, 1.0, 1.02, 1.1)))
goldens.write_json(target / "plateaus.json", plateaus)
