#!/usr/bin/env python3
"""Writes src/test/resources/variants.json.gz: what Transformers computes with the tiny models of make_family_goldens.py where their config.json
says something else that changes forward and backward: activations, scores by the layer, causal rows in BERT, rotary positions. Needs torch and
transformers.

Of a case: the folder, the keys that are set, the mean loss over the targets of the four sequences, the norm of all gradients together and of
each, by the names that Transformers gives parameters in memory, and of each sequence the first five logits of its last row."""
import json, pathlib, shutil, tempfile
import torch
import transformers as tf
import goldens
from make_family_goldens import sum_of_losses

torch.set_num_threads(1)
tf.utils.logging.set_verbosity_error()
tf.utils.logging.disable_progress_bar()
root = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"

# Those that no product fuses, and the names that only few folders have for others.
ACTIVATIONS = ["gelu_10", "hardswish", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu2", "relu6", "sigmoid", "gelu_accurate"]
ROPE = {"rope_type": "proportional", "rope_theta": 20.0}
CASES = [
    *(("bert", {"hidden_act": name}) for name in ACTIVATIONS),
    *(("llama", {"hidden_act": name}) for name in ACTIVATIONS),
    *(("gpt2", {"activation_function": name}) for name in ("quick_gelu", "gelu_accurate")),
    ("modernbert", {"hidden_activation": "quick_gelu", "classifier_activation": "mish"}),
    ("bert_mlm", {"hidden_act": "relu2"}),
    ("deberta", {"hidden_act": "mish", "pooler_hidden_act": "hardswish"}),
    # Several numbers of a text: see target.
    ("bert", {"problem_type": "regression"}),
    ("gpt2", {"scale_attn_weights": False}),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True}),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True, "scale_attn_weights": False}),
    *((name, {"is_decoder": True}) for name in ("bert", "bert_token", "bert_answer", "bert_mlm", "roberta", "xlm_roberta", "camembert_token", "electra", "ernie", "data2vec_text")),
    ("llama", {"rope_parameters": ROPE | {"factor": 1.5}}),
    ("llama", {"rope_parameters": ROPE | {"partial_rotary_factor": 0.5}}),
    ("llama", {"rope_parameters": ROPE, "partial_rotary_factor": 0.25}),
    ("gpt_neox", {"rope_parameters": ROPE | {"factor": 2.0, "partial_rotary_factor": 0.5}}),
    ("gpt_neox", {"rope_scaling": {"type": "proportional"}, "rotary_pct": 0.5}),
    ("modernbert", {"rope_parameters": {"full_attention": ROPE | {"partial_rotary_factor": 0.5}, "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}}}),
]


def target(s):
    """Of sequence s: a number for each of five outputs."""
    return torch.tensor([[(3 * s + 7 * k) % 11 / 4 - 1 for k in range(5)]])


def short(number, digits=6):
    return float(f"{float(number):.{digits}g}")


def case(folder, edits):
    source = root / "goldens" / folder
    config = json.loads((source / "config.json").read_text()) | edits
    golden = goldens.read_tensors(source / "golden.safetensors")
    kind = config["architectures"][0]
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(goldens.unpacked(source) / "model.safetensors", work)
        (pathlib.Path(work) / "config.json").write_text(json.dumps(config))
        model = getattr(tf, kind).from_pretrained(work, dtype=torch.float32, attn_implementation="eager").eval()
    numbers, total = [], 0.0
    for s in range(4):
        inputs = {key: golden[f"{key}.{s}"][None] for key in ("input_ids", "token_type_ids") if f"{key}.{s}" in golden}
        answer = model(**inputs)
        logits = torch.stack([answer.start_logits[0], answer.end_logits[0]], -1) if kind.endswith("ForQuestionAnswering") else answer.logits[0]
        is_regression = edits.get("problem_type") == "regression"
        loss = model(**inputs, labels=target(s)).loss if is_regression else sum_of_losses(kind, logits, golden[f"labels.{s}"])
        loss.backward()
        total += loss.item()
        numbers += [short(x) for x in (logits.detach()[-1] if logits.dim() == 2 else logits.detach())[:5]]
    count = json.loads((source / "golden.json").read_text())["targets"]
    norms = {n: float(p.grad.double().norm()) / count for n, p in model.named_parameters() if p.grad is not None}
    return {"folder": folder, "set": edits, "loss": short(total / count, 7), "grad_norm": short(sum(x * x for x in norms.values()) ** 0.5, 7),
            "gradients": {n: short(x, 4) for n, x in norms.items()}, "logits": numbers}


rows = [case(*each) for each in CASES]
goldens.write_json(root / "variants.json", rows, separators=(",", ":"))
print(len(rows), "cases,", (root / "variants.json.gz").stat().st_size, "bytes")
