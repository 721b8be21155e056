#!/usr/bin/env python3
"""Reads a run's event files with TensorBoard's own reader and compares them with its metrics.jsonl.

Usage: check_event_files.py OUTPUT_DIR   (of a run with --report-to tensorboard; needs the package tensorboard)
"""
import json
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder = Path(sys.argv[1])
events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
events.Reload()
scalars = {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}
compared = 0
for line in (folder / "metrics.jsonl").read_text().splitlines():
    values = json.loads(line)
    step = values["step"]
    if "loss" in values:
        expected = {f"train/{name}": values[name] for name in ("loss", "grad_norm", "learning_rate", "tokens")}
    else:
        kind = "eval" if "eval" in values else "test"
        expected = {f"{kind}/{name}": value for name, value in values.get(kind, {}).items()}
    for tag, value in expected.items():
        found = scalars.get(tag, {}).get(step)
        if found is None or abs(found - value) > 1e-6 * max(1, abs(value)):
            sys.exit(f"{tag} at step {step}: {value} in metrics.jsonl, {found} in the event files")
        compared += 1
print(f"{compared} numbers are the same; scalars {sorted(scalars)}; texts {events.Tags()['tensors']}")
