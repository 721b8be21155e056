#!/usr/bin/env python3
"""Writes src/test/resources/adapters: small PEFT adapters for tiny models (make_family_goldens.py), with the logits, the loss
and the adapters' gradients that PEFT gives (of the first sequence alone, and small ones alone, where a case is of one option). Needs torch, transformers and peft; run without arguments for all cases, or
with the names of some."""
import json, pathlib, sys
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSequenceClassification
import goldens

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
LM, CLS = (AutoModelForCausalLM, "CAUSAL_LM"), (AutoModelForSequenceClassification, "SEQ_CLS")
MASKED = (AutoModelForMaskedLM, None)  # PEFT has no name for it
# One option of LoraConfig or a few that go together: (family, class and task, options); "vocabulary" resizes, "file" says how it is saved
OPTIONS = {
    "llama_patterns": ("llama", LM, dict(r=4, lora_alpha=6, use_rslora=True, target_modules=r"model\.layers\.\d+\.(self_attn|mlp)\.(q_proj|[vo]_proj|down_proj)",
                       rank_pattern={"0.self_attn.q_proj": 2, "v_proj": 3}, alpha_pattern={r"layers\.1\..*_proj": 9})),
    "llama_layers": ("llama", LM, dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], layers_to_transform=[1], layers_pattern=["layers"],
                     exclude_modules=["self_attn.v_proj"], trainable_token_indices=[3, 7])),
    "llama_saved": ("llama", LM, dict(r=2, lora_alpha=8, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head", "norm"])),
    "llama_tied_saved": ("llama_tied", LM, dict(r=2, lora_alpha=4, target_modules=["q_proj"], modules_to_save=["embed_tokens"])),
    "llama_tied_together": ("llama_tied", LM, dict(r=2, lora_alpha=4, target_modules=["q_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True)),
    "llama_tied_vocabulary": ("llama_tied", LM, dict(r=2, lora_alpha=4, target_modules=["v_proj", "embed_tokens", "lm_head"])),
    "llama_tied_tokens": ("llama_tied", LM, dict(r=2, lora_alpha=4, target_modules=["v_proj"], trainable_token_indices=[5, 2])),
    "llama_head_tokens": ("llama", LM, dict(r=2, lora_alpha=4, target_modules=["v_proj"], trainable_token_indices={"embed_tokens": [3], "lm_head": [5, 2]})),
    "llama_tied_resized": ("llama_tied", LM, dict(r=2, lora_alpha=4, target_modules=["v_proj"], vocabulary=3)),
    # The whole table is saved inside the wrapper of its rows: of a last product that shares it too.
    "llama_tied_resized_tokens": ("llama_tied", LM, dict(r=2, lora_alpha=4, target_modules=["v_proj"], trainable_token_indices=[5, 2], vocabulary=3)),
    "llama_resized_tokens": ("llama", LM, dict(r=2, lora_alpha=4, target_modules=["v_proj"], trainable_token_indices={"embed_tokens": [3], "lm_head": [5, 2]}, vocabulary=3)),
    "llama_lora_bias": ("llama", LM, dict(r=2, lora_alpha=4, target_modules=["v_proj", "down_proj"], lora_bias=True)),
    "llama_pissa": ("llama", LM, dict(r=3, lora_alpha=6, target_modules="all-linear", init_lora_weights="pissa", file="bin")),
    "gpt2_bias": ("gpt2", LM, dict(r=2, lora_alpha=8, target_modules=["c_attn", "c_fc", "wte"], bias="lora_only", fan_in_fan_out=True)),
    "gpt2_pissa": ("gpt2", LM, dict(r=2, lora_alpha=3, target_modules=["c_attn", "c_fc"], init_lora_weights="pissa", use_dora=True)),
    "gpt_neox_olora": ("gpt_neox", LM, dict(r=2, lora_alpha=3, target_modules="all-linear", init_lora_weights="olora")),
    # In memory, and so in adapters, Transformers 5 calls lm_head what folders of this family call embed_out.
    "gpt_neox_vocabulary": ("gpt_neox", LM, dict(r=2, lora_alpha=3, target_modules=["query_key_value", "embed_in", "lm_head"])),
    "gpt_neox_saved": ("gpt_neox", LM, dict(r=2, lora_alpha=4, target_modules=["dense"], modules_to_save=["lm_head"])),
    "bert_bias": ("bert", CLS, dict(r=2, lora_alpha=8, target_modules=["query", "value"], bias="all")),
    "bert_all": ("bert", CLS, dict(r=2, lora_alpha=4, target_modules="all-linear")),
    "bert_masked": ("bert_mlm", MASKED, dict(r=2, lora_alpha=4, target_modules="all-linear")),
    # Where the last product shares the table, PEFT 0.21 leaves its bias out (its own merged model has it).
    "bert_masked_tokens": ("bert_mlm_untied", MASKED, dict(r=2, lora_alpha=4, target_modules=["query"], trainable_token_indices=[4, 11])),
    "roberta_all": ("roberta", CLS, dict(r=2, lora_alpha=4, target_modules="all-linear")),
}
root = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"
for case in sys.argv[1:] or [*CASES, *OPTIONS]:
    if case in CASES:
        kind, task, r, alpha, rslora, targets = CASES[case]
        family, options = case.removesuffix("_dora"), dict(r=r, lora_alpha=alpha, use_rslora=rslora, target_modules=targets, use_dora=case.endswith("_dora"))
    else:
        family, (kind, task), options = OPTIONS[case]
    options, short = dict(options), case in OPTIONS
    vocabulary, file = options.pop("vocabulary", 0), options.pop("file", None)
    sums = "init_lora_weights" in options  # trained values lie near the first ones
    torch.manual_seed(7)
    folder = root / "goldens" / family
    golden = goldens.read_tensors(folder / "golden.safetensors")
    model = kind.from_pretrained(goldens.unpacked(folder), attn_implementation="eager", dtype=torch.float32)
    if vocabulary:
        model.resize_token_embeddings(model.config.vocab_size + vocabulary)
    model = get_peft_model(model, LoraConfig(task_type=task, **options))
    for name, p in model.named_parameters():
        if p.requires_grad:
            with torch.no_grad():
                if "magnitude" in name:  # near the norms of the rows, as training leaves them
                    p.mul_(1 + 0.2 * torch.randn_like(p))
                elif sums and "lora" in name:
                    p.add_(torch.randn_like(p) * 0.1)
                elif short and "lora" not in name:  # norms and biases must stay such
                    p.add_(torch.randn_like(p) * 0.1)
                else:
                    p.copy_(torch.randn_like(p) * (0.3 if "lora" in name else 0.1))
    out, loss, count = {}, 0.0, 0
    for s in range(4):
        ids = golden[f"input_ids.{s}"][None]
        inputs = {"input_ids": ids}
        if f"token_type_ids.{s}" in golden:
            inputs["token_type_ids"] = golden[f"token_type_ids.{s}"][None]
        logits = model(**inputs).logits
        if s == 0 or not short:
            out[f"logits.{s}"] = logits[0].detach().contiguous()
        labels = golden[f"labels.{s}"]
        if task == "CAUSAL_LM":
            logits, labels = logits[0, :-1], ids[0, 1:]
        if task is None:
            logits = logits[0]
        loss = loss + torch.nn.functional.cross_entropy(logits, labels.reshape(-1), reduction="sum")
        count += int((labels != -100).sum())
    (loss / count).backward()
    for name, p in model.named_parameters():
        if p.requires_grad:
            plain = name.replace(".default", "").replace(".modules_to_save", "").replace(".base_layer", "")
            if short and (plain.endswith("lora_B.bias") or p.numel() > 1024 and "lora" not in plain):
                continue
            out["grad." + plain.replace("magnitude_vector.weight", "magnitude_vector")] = p.grad.clone()
    to = root / "adapters" / case
    model.save_pretrained(to)
    (to / "README.md").unlink(missing_ok=True)
    config = json.loads((to / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = family
    (to / "adapter_config.json").write_text(json.dumps(config))
    if file == "bin":
        torch.save(load_file(to / "adapter_model.safetensors"), to / "adapter_model.bin")
        (to / "adapter_model.safetensors").unlink()
    goldens.pack(to)
    # PEFT decomposes in float32: an entry is 3e-5 off, and a sum of all of a row by more than its tolerance.
    goldens.write_tensors(to / "golden.safetensors", out, whole=["logits.0"] if case == "llama_pissa" else [])
    summary = {"loss": float(loss) / count, "targets": count, **({"family": family} if short else {})}
    goldens.write_small(to / "golden.json", summary)
    print(case, float(loss) / count, config["target_modules"])
