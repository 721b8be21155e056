#!/usr/bin/env python3
"""Writes src/test/resources/continued: adapters that PEFT began and saved, of the tiny BERT in src/test/resources/goldens, with the
losses of ten more steps after loading them with is_trainable=True. Needs torch, transformers and peft."""
import json, pathlib
import goldens
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForSequenceClassification

CASES = {
    "lora": dict(r=4, lora_alpha=8, target_modules=["query", "value"]),
    "dora": dict(r=3, lora_alpha=4, use_dora=True, use_rslora=True, target_modules=["query", "value", "intermediate.dense"]),
    "lora_bias": dict(r=3, lora_alpha=5, lora_bias=True, target_modules=["query", "value", "intermediate.dense"]),
    "tokens": dict(r=3, lora_alpha=6, target_modules=["query", "value"], trainable_token_indices=[9, 30, 12]),
    "pissa": dict(r=2, lora_alpha=2, init_lora_weights="pissa", bias="all", target_modules=["query", "key", "value"]),
}
ROWS, STEPS, RATE, DECAY = 8, 10, 4e-2, 0.01
resources = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"
base, root = goldens.unpacked(resources / "goldens/bert"), resources / "continued"
size = json.loads((base / "config.json").read_text())["vocab_size"]
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(size - 5)]
torch.manual_seed(3)
half = 5 + (size - 5) // 2  # words of the one label, then of the other
rows = [([int(w) for w in torch.randint(*((5, half) if i % 3 else (half, size)), (3 + i % 7,))], i % 3 > 0) for i in range(2 * ROWS * STEPS)]


def model():
    kind = AutoModelForSequenceClassification
    return kind.from_pretrained(base, num_labels=2, ignore_mismatched_sizes=True, attn_implementation="eager", dtype=torch.float32,
                                hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0)


def train(model, rows):
    plain = lambda name: name.endswith("bias") or "LayerNorm" in name
    groups = [{"params": [p for n, p in model.named_parameters() if p.requires_grad and plain(n) == kind], "weight_decay": 0 if kind else DECAY} for kind in (False, True)]
    optimizer, losses = torch.optim.AdamW(groups, lr=RATE), []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        loss = 0
        for ids, label in rows[step * ROWS : (step + 1) * ROWS]:
            logits = model(input_ids=torch.tensor([[2, *ids, 3]])).logits
            loss = loss + torch.nn.functional.cross_entropy(logits, torch.tensor([int(label)])) / ROWS
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    return losses


root.mkdir(exist_ok=True)
more = rows[ROWS * STEPS :]
(root / "train.csv").write_text("text,label\n" + "".join(" ".join(words[i] for i in ids) + f",{'yes' if label else 'no'}\n" for ids, label in more))
for case, options in CASES.items():
    torch.manual_seed(5)
    to = root / case
    begun = get_peft_model(model(), LoraConfig(task_type="SEQ_CLS", **options))
    train(begun, rows[: ROWS * STEPS])
    begun.save_pretrained(to)
    torch.manual_seed(6)
    losses = train(PeftModel.from_pretrained(model(), to, is_trainable=True), more)
    (to / "README.md").unlink(missing_ok=True)
    config = json.loads((to / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "bert"
    (to / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (to / "vocab.txt").write_text("\n".join(words) + "\n")
    (to / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}\n')
    (to / "losses.json").write_text(json.dumps(losses) + "\n")
    print(case, losses)
