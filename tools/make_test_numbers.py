#!/usr/bin/env python3
"""Makes the small reference files of src/test/resources with the libraries that define them: PyTorch, safetensors, ONNX, SciPy, seqeval.
Only needed to change them; the build and the tests need no Python. Usage: make_test_numbers.py RESOURCES_DIR"""
import collections, json, os, sys
import numpy as np, onnx, scipy.stats, torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
import goldens

root = os.path.join(sys.argv[1], "dev", "attune")
weights, metrics = os.path.join(root, "weights"), os.path.join(root, "metrics")
os.makedirs(weights, exist_ok=True)
os.makedirs(metrics, exist_ok=True)
generator = torch.Generator().manual_seed(7)

# Every type we read: edge cases and a few random numbers, with their exact f32 values beside them.
edges = torch.tensor([0.0, -0.0, 1.0, -1.5, 65504.0, 6e-8, 6.1e-5, -3.0517578125e-05, float("inf"), float("-inf")])
values = torch.cat([edges, torch.randn(30, generator=generator)])
tensors = {"f32": values, "f16": values.half(), "bf16": values.bfloat16(), "f64": values.double(), "matrix": torch.randn(3, 5, generator=generator),
           "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4)}
expected = {k: v.float() for k, v in tensors.items()}
integers = {"bool": torch.tensor([True, False]), "u8": torch.tensor([0, 255], dtype=torch.uint8), "i8": torch.tensor([-128, 127], dtype=torch.int8),
            "i16": torch.tensor([-32768, 32767], dtype=torch.int16), "i32": torch.tensor([-2**31, 2**31 - 1], dtype=torch.int32),
            "i64": torch.tensor([-2**63, 2**63 - 1])}
save_file({**tensors, **integers}, os.path.join(weights, "types.safetensors"), {"format": "pt", "made_by": "test"})
save_file({k: v.clone() for k, v in expected.items()}, os.path.join(weights, "types_f32.safetensors"))

state = collections.OrderedDict((k, v) for k, v in tensors.items())
state["transposed"] = torch.randn(4, 3, generator=generator).t()
state["row"] = state["matrix"][1]
state["expanded"] = torch.tensor([3.0]).expand(2, 2)
state["parameter"] = torch.nn.Parameter(torch.randn(2, 2, generator=generator))
state["ids"] = torch.arange(5)
state._metadata = collections.OrderedDict({"": {"version": 1}})
torch.save(state, os.path.join(weights, "state.bin"))
torch.save(state, os.path.join(weights, "state_old.bin"), _use_new_zipfile_serialization=False)
torch.save({"model": dict(state), "epoch": 3}, os.path.join(weights, "nested.bin"))
torch.save({"f": np.float64}, os.path.join(weights, "calls.bin"))
save_file({k: v.detach().float().contiguous().clone() for k, v in state.items()}, os.path.join(weights, "state_f32.safetensors"))

w = torch.randn(4, 3, generator=generator)
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "onnx::MatMul_1"], ["y"], name="m"), helper.make_node("Add", ["dense.bias", "y"], ["z"])], "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])], [helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, 3])],
    [numpy_helper.from_array(w.numpy(), "onnx::MatMul_1"), helper.make_tensor("dense.bias", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0]),
     numpy_helper.from_array(values.half().numpy(), "half"), numpy_helper.from_array(np.arange(3), "ids"),
     helper.make_tensor("scalar", TensorProto.DOUBLE, [], np.array(0.25).tobytes(), raw=True)])
onnx.save(helper.make_model(graph), os.path.join(weights, "small.onnx"))
save_file({"onnx::MatMul_1": w, "dense.bias": torch.tensor([1.0, 2.0, 3.0]), "half": values.half().float(), "scalar": torch.tensor(0.25)},
          os.path.join(weights, "small_onnx_f32.safetensors"))

# Regression: plain, with ties, far from zero, constant predictions (undefined: null), two points.
rng = np.random.default_rng(7)
cases = []
for name, n, make in [("plain", 200, lambda x: x * 2 + rng.normal(size=len(x))), ("ties", 300, lambda x: np.round(x)), ("offset", 100, lambda x: x + rng.normal(size=len(x))),
                      ("constant", 5, lambda x: np.ones(len(x))), ("two", 2, lambda x: -x)]:
    labels = rng.normal(size=n)
    if name == "ties":
        labels = np.round(labels * 2) / 2
    if name == "offset":
        labels = labels + 1e6
    predictions = make(labels)
    finite = lambda v: None if np.isnan(v) else float(v)
    cases.append({"name": name, "labels": labels.tolist(), "predictions": predictions.tolist(), "mse": float(np.mean((labels - predictions) ** 2)),
                  "mae": float(np.mean(np.abs(labels - predictions))), "pearson": finite(scipy.stats.pearsonr(predictions, labels)[0]),
                  "spearman": finite(scipy.stats.spearmanr(predictions, labels)[0])})
goldens.write_json(os.path.join(metrics, "regression.json"), cases)

# Entities: random tags, so that most transitions are wrong in every way that seqeval's default mode forgives.
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
cases = []
for tags, noise in [(["O", "B-PER", "I-PER"], 0.3), (["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], 0.2), (["O", "I-A", "I-B"], 0.3),
                    (["O", "B-A-1", "I-A-1", "E-A-1", "S-A-1", "B-B", "I-B", "E-B", "S-B"], 0.2), (["O", "B", "I"], 0.3), (["O", "B-X"], 1.0)]:
    labels = [[tags[i] for i in rng.integers(0, len(tags), rng.integers(0, 20))] for _ in range(30)]
    predictions = [[tags[rng.integers(0, len(tags))] if rng.random() < noise else t for t in s] for s in labels]
    cases.append({"tags": tags, "labels": labels, "predictions": predictions, "precision": float(precision_score(labels, predictions)),
                  "recall": float(recall_score(labels, predictions)), "f1": float(f1_score(labels, predictions)), "accuracy": float(accuracy_score(labels, predictions)),
                  "f1_macro": float(f1_score(labels, predictions, average="macro"))})
goldens.write_json(os.path.join(metrics, "entities.json"), cases)

# Grades: whole numbers with predictions beside and beyond their scale, halves among them; constant ones, for which kappa is undefined.
from sklearn.metrics import cohen_kappa_score
rng = np.random.default_rng(8)
cases = []
for name, labels, noise in [("essays", rng.integers(1, 7, 300), 0.8), ("skewed", rng.choice([0, 1, 2, 9], 200, p=[0.6, 0.2, 0.1, 0.1]), 1.5), ("negative", rng.integers(-3, 4, 50), 0.4),
                            ("worse than chance", np.tile([1, 4], 20), None), ("constant", np.full(5, 3), 0.0)]:
    predictions = 5.0 - labels if noise is None else np.round((labels + rng.normal(size=len(labels)) * noise) * 2) / 2
    rounded = np.rint(predictions).astype(int)
    scale = range(min(labels.min(), rounded.min()), max(labels.max(), rounded.max()) + 1)
    kappa = cohen_kappa_score(labels, rounded, labels=list(scale), weights="quadratic")
    cases.append({"name": name, "labels": labels.tolist(), "predictions": predictions.tolist(), "qwk": None if np.isnan(kappa) else float(kappa)})
goldens.write_json(os.path.join(metrics, "grades.json"), cases)
