#!/usr/bin/env python3
"""Writes src/test/resources/preferences: pairs of answers, a tokenizer of words for the tiny models in src/test/resources/goldens, an
adapter that PEFT began, and what TRL's DPOTrainer gives for each of twenty steps: losses, rewards, accuracies and margins. Only needed
to change them; the build and the tests need no Python. Needs torch, transformers, peft and trl. Usage: make_preference_goldens.py"""
import json, os, pathlib, random, shutil, tempfile

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import goldens
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

# Of each: the model, the loss, beta, steps, pairs in a batch, batches in a step, and whether an adapter is trained.
CASES = {
    "full": ("gpt2", "sigmoid", 0.1, 20, 4, 2, False),
    "adapter": ("llama", "sigmoid", 0.3, 20, 4, 1, True),
    "ipo": ("llama", "ipo", 0.2, 6, 4, 1, False),
    "hinge": ("gpt2", "hinge", 0.5, 6, 4, 1, False),
}
RATE, DECAY = 1e-2, 0.01
NAMES = ["rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins"]
torch.set_num_threads(1)
resources = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"
root = resources / "preferences"
shutil.rmtree(root, ignore_errors=True)
root.mkdir()

words = ["<s>", "</s>", "<unk>"] + [f"w{i}" for i in range(3, 80)]
tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer.add_special_tokens(["<s>", "</s>", "<unk>"])
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<unk>")
tokenizer.save(str(root / "tokenizer.json"), pretty=False)
(root / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "unk_token": "<unk>"}) + "\n")

random.seed(5)
text = lambda least, most: " ".join(random.choice(words[3:]) for _ in range(random.randint(least, most)))
rows = [{"prompt": text(2, 7), "chosen": " " + text(1, 9), "rejected": " " + text(1, 9)} for _ in range(160)]
(root / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


class InOrder(DPOTrainer):
    """Visits rows in their order, and keeps the losses of batches as they are, not rounded."""

    def _get_train_sampler(self, *args, **kwargs):
        return SequentialSampler(self.train_dataset)

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        kept = self.__dict__.setdefault("kept", {name: [] for name in ["loss", *NAMES]})
        for name in NAMES:
            kept[name].append(self._metrics["train"][name][-1])
        kept["loss"].append(float(loss.detach()))
        return loss


def model(name):
    return AutoModelForCausalLM.from_pretrained(goldens.unpacked(resources / "goldens" / name), dtype=torch.float32, attn_implementation="eager")


def adapted(folder):
    torch.manual_seed(3)
    begun = get_peft_model(model("llama"), LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"]))
    for name, parameter in begun.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    begun.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "llama"
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")


adapted(root / "adapter")
curves = {}
for case, (name, loss, beta, steps, size, accumulation, adapter) in CASES.items():
    torch.manual_seed(7)
    policy = model(name)
    reference = None if adapter else model(name)
    if adapter:
        policy = PeftModel.from_pretrained(policy, root / "adapter", is_trainable=True)
    config = DPOConfig(output_dir=tempfile.mkdtemp(), loss_type=loss, beta=beta, max_steps=steps, per_device_train_batch_size=size,
                       gradient_accumulation_steps=accumulation, learning_rate=RATE, weight_decay=DECAY, lr_scheduler_type="linear", warmup_steps=0,
                       max_grad_norm=1.0, max_length=24, logging_strategy="no", save_strategy="no", report_to=[], bf16=False, use_cpu=True,
                       gradient_checkpointing=False)
    trainer = InOrder(model=policy, ref_model=reference, args=config, train_dataset=Dataset.from_list(rows), processing_class=fast)
    trainer.train()
    means = lambda values: [sum(values[i : i + accumulation]) / accumulation for i in range(0, len(values), accumulation)]
    kept = {key: means(values) for key, values in trainer.kept.items()}
    curves[case] = {"model": name, "loss_type": loss, "beta": beta, "batch_size": size, "gradient_accumulation_steps": accumulation,
                    "learning_rate": RATE, "weight_decay": DECAY, "adapter": adapter, **kept}
    print(case, {key: [values[0], values[-1]] for key, values in kept.items()})
goldens.write_json(root / "curves.json", curves)
goldens.pack(root / "adapter")
goldens.write(root / "train.jsonl", (root / "train.jsonl").read_bytes())
(root / "train.jsonl").unlink()
goldens.write(root / "tokenizer.json", (root / "tokenizer.json").read_bytes())
(root / "tokenizer.json").unlink()
