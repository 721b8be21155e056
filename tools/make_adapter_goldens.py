#!/usr/bin/env python3
"""Writes src/test/resources/adapters: small PEFT adapters for the tiny models of the goldens, with the logits, the loss
and the adapters' gradients that PEFT gives. Needs torch, transformers and peft; run with the folder of tiny models."""
import json, pathlib, sys
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

CASES = {
    # family: (class, task type, r, alpha, rslora, targets)
    "llama": (AutoModelForCausalLM, "CAUSAL_LM", 4, 8, False, ["q_proj", "v_proj", "down_proj"]),
    "qwen3": (AutoModelForCausalLM, "CAUSAL_LM", 3, 6, True, "all-linear"),
    "gpt2": (AutoModelForCausalLM, "CAUSAL_LM", 4, 4, False, ["c_attn", "c_fc", "mlp.c_proj"]),
    "gpt_neox": (AutoModelForCausalLM, "CAUSAL_LM", 2, 8, False, "all-linear"),
    "bert": (AutoModelForSequenceClassification, "SEQ_CLS", 4, 8, False, ["query", "value", "intermediate.dense", "output.dense"]),
}
models = pathlib.Path(sys.argv[1])
target = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/adapters"
for family, (kind, task, r, alpha, rslora, targets) in CASES.items():
    torch.manual_seed(7)
    folder = models / family
    golden = load_file(folder / "golden.safetensors")
    model = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type=task, r=r, lora_alpha=alpha, use_rslora=rslora, target_modules=targets))
    for name, p in model.named_parameters():
        if p.requires_grad:
            with torch.no_grad():
                p.copy_(torch.randn_like(p) * (0.3 if "lora" in name else 0.1))
    out, loss, count = {}, 0.0, 0
    for s in range(4):
        ids = golden[f"input_ids.{s}"][None]
        inputs = {"input_ids": ids}
        if f"token_type_ids.{s}" in golden:
            inputs["token_type_ids"] = golden[f"token_type_ids.{s}"][None]
        logits = model(**inputs).logits
        out[f"logits.{s}"] = logits[0].detach().contiguous()
        labels = golden[f"labels.{s}"]
        if task == "CAUSAL_LM":
            logits, labels = logits[0, :-1], ids[0, 1:]
        loss = loss + torch.nn.functional.cross_entropy(logits, labels.reshape(-1), reduction="sum")
        count += labels.numel()
    (loss / count).backward()
    for name, p in model.named_parameters():
        if p.requires_grad:
            out["grad." + name.replace(".default", "").replace(".modules_to_save", "")] = p.grad.clone()
    to = target / family
    model.save_pretrained(to)
    (to / "README.md").unlink(missing_ok=True)
    config = json.loads((to / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = family
    (to / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(out, to / "golden.safetensors")
    (to / "golden.json").write_text(json.dumps({"loss": float(loss) / count, "targets": count}) + "\n")
    print(family, float(loss) / count, config["target_modules"])
