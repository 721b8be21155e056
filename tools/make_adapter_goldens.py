#!/usr/bin/env python3
"""Writes src/test/resources/adapters: small PEFT adapters for tiny models (make_family_goldens.py), with the logits, the loss
and the adapters' gradients that PEFT gives. Needs torch, transformers and peft; run without arguments for all cases, or
with the names of some."""
import json, pathlib, sys
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

CASES = {
    # family, or family_dora for a weight-decomposed adapter: (class, task type, r, alpha, rslora, targets)
    "llama": (AutoModelForCausalLM, "CAUSAL_LM", 4, 8, False, ["q_proj", "v_proj", "down_proj"]),
    "qwen3": (AutoModelForCausalLM, "CAUSAL_LM", 3, 6, True, "all-linear"),
    "gpt2": (AutoModelForCausalLM, "CAUSAL_LM", 4, 4, False, ["c_attn", "c_fc", "mlp.c_proj"]),
    "gpt_neox": (AutoModelForCausalLM, "CAUSAL_LM", 2, 8, False, "all-linear"),
    "bert": (AutoModelForSequenceClassification, "SEQ_CLS", 4, 8, False, ["query", "value", "intermediate.dense", "output.dense"]),
    "llama_dora": (AutoModelForCausalLM, "CAUSAL_LM", 2, 4, False, ["q_proj", "v_proj", "down_proj"]),
    "gpt2_dora": (AutoModelForCausalLM, "CAUSAL_LM", 2, 3, True, ["c_attn", "c_fc", "mlp.c_proj"]),
    "gpt_neox_dora": (AutoModelForCausalLM, "CAUSAL_LM", 2, 4, False, ["query_key_value"]),
    "bert_dora": (AutoModelForSequenceClassification, "SEQ_CLS", 2, 4, False, ["query", "value", "intermediate.dense"]),
}
root = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"
for case in sys.argv[1:] or CASES:
    kind, task, r, alpha, rslora, targets = CASES[case]
    family, dora = case.removesuffix("_dora"), case.endswith("_dora")
    torch.manual_seed(7)
    folder = root / "goldens" / family
    golden = load_file(folder / "golden.safetensors")
    model = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type=task, r=r, lora_alpha=alpha, use_rslora=rslora, target_modules=targets,
                                             use_dora=dora))
    for name, p in model.named_parameters():
        if p.requires_grad:
            with torch.no_grad():
                if "magnitude" in name:  # near the norms of the rows, as training leaves them
                    p.mul_(1 + 0.2 * torch.randn_like(p))
                else:
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
            plain = name.replace(".default", "").replace(".modules_to_save", "")
            out["grad." + plain.replace("magnitude_vector.weight", "magnitude_vector")] = p.grad.clone()
    to = root / "adapters" / case
    model.save_pretrained(to)
    (to / "README.md").unlink(missing_ok=True)
    config = json.loads((to / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = family
    (to / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(out, to / "golden.safetensors")
    (to / "golden.json").write_text(json.dumps({"loss": float(loss) / count, "targets": count}) + "\n")
    print(case, float(loss) / count, config["target_modules"])
