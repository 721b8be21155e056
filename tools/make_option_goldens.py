#!/usr/bin/env python3
"""Writes src/test/resources/options.json: what training options do, by PyTorch and Transformers. Losses of
torch.nn.CrossEntropyLoss with weights of classes and label smoothing, and their gradients; and 20 steps of the tiny BERT
of make_family_goldens.py (in src/test/resources/goldens) with torch.optim.AdamW or SGD: with weights of classes, with
frozen parts, with a rate for each layer. Needs torch and transformers."""
import pathlib
import goldens
import torch
from transformers import AutoModelForSequenceClassification

root = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"
folder = goldens.unpacked(root / "goldens/bert")
STEPS, RATE, DECAY = 20, 1e-2, 0.1
WEIGHTS = [0.5, 2.0, 1.0, 0.25, 3.0]


def loss_cases():
    torch.manual_seed(3)
    logits = (2 * torch.randn(6, 5)).requires_grad_()
    labels = torch.tensor([0, 4, -100, 1, 3, 4])
    cases = []
    for smoothing in (0.0, 0.1):
        logits.grad = None
        loss = torch.nn.CrossEntropyLoss(weight=torch.tensor(WEIGHTS), label_smoothing=smoothing)(logits, labels)
        loss.backward()
        cases.append({"smoothing": smoothing, "loss": loss.item(), "gradient": logits.grad.reshape(-1).tolist()})
    return {"logits": logits.detach().reshape(-1).tolist(), "labels": labels.tolist(), "cases": cases}


def level(name):
    """BEiT's get_num_layer_for_vit, for BERT's names: what stands on the layers is one level above them."""
    if ".embeddings." in name:
        return 0
    return int(name.split("encoder.layer.")[1].split(".")[0]) + 1 if "encoder.layer." in name else 3


def run(frozen=lambda name: False, factor=lambda name: 1.0, weighted=False, smoothing=0.0, sgd=False):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    model.train()
    golden = goldens.read_tensors(root / "goldens/bert/golden.safetensors")
    part = lambda name: [golden[f"{name}.{s}"].long().reshape(-1) for s in range(4)]
    pad = lambda parts: torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    ids = part("input_ids")
    inputs = {"input_ids": pad(ids), "attention_mask": pad([torch.ones_like(i) for i in ids]),
              "token_type_ids": pad(part("token_type_ids"))}
    labels = torch.cat(part("labels"))
    loss_of = torch.nn.CrossEntropyLoss(torch.tensor(WEIGHTS) if weighted else None, label_smoothing=smoothing)
    groups = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not frozen(name)
        if not frozen(name):
            bare = name.endswith("bias") or "LayerNorm" in name
            groups.append({"params": [parameter], "lr": RATE * factor(name), "weight_decay": 0.0 if bare else DECAY})
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=0.9) if sgd else torch.optim.AdamW(groups, lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / STEPS)
    curve = []
    for _ in range(STEPS):
        loss = loss_of(model(**inputs).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        schedule.step()
        curve.append({"loss": loss.item(), "grad_norm": norm.item()})
    return {"curve": curve, "norms": {n: p.detach().double().norm().item() for n, p in model.named_parameters()}}


layer_decay = lambda name: 0.5 ** (3 - level(name))
head = lambda name: 4.0 if name.startswith("classifier") else 1.0
runs = {
    "plain": run(),
    "class_weights": run(weighted=True),
    "class_weights_and_smoothing": run(weighted=True, smoothing=0.1),
    "freeze_layers_1": run(frozen=lambda name: level(name) <= 1),
    "freeze_layer_0": run(frozen=lambda name: level(name) == 1),
    "freeze_embeddings": run(frozen=lambda name: level(name) == 0),
    "freeze_base": run(frozen=lambda name: name.startswith("bert.")),
    "layer_decay_and_head": run(factor=lambda name: layer_decay(name) * head(name)),
    "layer_decay_sgd": run(factor=layer_decay, sgd=True),
}
out = {"weights": WEIGHTS, "loss": loss_cases(), "rate": RATE, "weight_decay": DECAY, "runs": runs}
goldens.write_json(root / "options.json", out)
for name, result in runs.items():
    print(name, result["curve"][0]["loss"], result["curve"][-1]["loss"])
