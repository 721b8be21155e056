#!/usr/bin/env python3
"""Writes src/test/resources/goldens: tiny random models of every family as Transformers saves them, and what Transformers
computes with them (float32, CPU, no dropout, eager attention). Needs torch and transformers; run without arguments for all
cases, or with the names of some. A seed gives the same numbers again with the same versions, which golden.json names.

Of a case: config.json, model.safetensors.gz, and in golden.safetensors.gz (see goldens.py) for each sequence s input_ids.s, token_type_ids.s (where
the family has two types), labels.s, hidden.s (what the body returns, (N,C)), logits.s; grad.NAME of the mean loss over all
targets of all sequences, by the names that Transformers gives parameters in memory. Labels are a class, a class a token, the
next tokens, the tokens that were masked, whether a token has replaced another, K zeros and ones (several labels), or first and last token of an answer. golden.json: that
loss, the number of targets (several labels of a sequence are one, both ends of an answer too), the norm of all gradients together;
of masked language models, of discriminators, and of some others, also the losses of 20 AdamW steps over the same four sequences: "curve"."""
import json, math, pathlib, random, shutil, sys, zlib
import torch
import transformers as tf
import goldens

SEED = 7
STEPS = 20
LENGTHS = (7, 2, 19, 12)
LABELS = 5
torch.set_num_threads(1)

V, C, F, H = 80, 16, 24, 2
sizes = dict(vocab_size=V, hidden_size=C, intermediate_size=F, num_attention_heads=H, max_position_embeddings=24)
dry = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
after_padding = dict(sizes, max_position_embeddings=26)  # positions begin at pad_token_id + 1
roberta_like = dict(after_padding, pad_token_id=1, bos_token_id=0, eos_token_id=2, type_vocab_size=1, layer_norm_eps=1e-5)
distil = dict(vocab_size=V, dim=C, hidden_dim=F, n_heads=H, max_position_embeddings=24,
              dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0, qa_dropout=0.0)
gpt2 = dict(vocab_size=V, n_embd=C, n_inner=F, n_head=H, n_positions=24, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0,
            bos_token_id=0, eos_token_id=0)
grouped = dict(sizes, num_attention_heads=4, num_key_value_heads=2, head_dim=8, bos_token_id=0, eos_token_id=1)
electra = dict(sizes, **dry, embedding_size=8, summary_last_dropout=0.0)
albert = dict(sizes, **dry, embedding_size=8, classifier_dropout_prob=0.0, bos_token_id=2, eos_token_id=3)
modern = dict(sizes, pad_token_id=0, bos_token_id=1, cls_token_id=1, eos_token_id=2, sep_token_id=2,
              local_attention=8, layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
              rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 1000.0},
                               "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}})
# What DeBERTa-v3 says of itself, in small: rows for 16 buckets of distances to each side.
deberta = dict(sizes, **dry, relative_attention=True, position_buckets=16, norm_rel_ebd="layer_norm", share_att_key=True,
               pos_att_type="p2c|c2p", max_relative_positions=-1, position_biased_input=False, type_vocab_size=0, layer_norm_eps=1e-7,
               pooler_dropout=0.0)
nomic = dict(sizes, **dry, rope_parameters={"rope_type": "default", "rope_theta": 50.0})
euro = dict(grouped, pad_token_id=2, rope_parameters={"rope_type": "default", "rope_theta": 500.0})

CASES = {
    # name: (class, config class, what the config says beyond labels, number of layers)
    "bert": ("BertForSequenceClassification", "BertConfig", sizes | dry, 2),
    "bert_token": ("BertForTokenClassification", "BertConfig", sizes | dry, 1),
    "bert_multi_label": ("BertForSequenceClassification", "BertConfig", sizes | dry | dict(problem_type="multi_label_classification"), 1),
    "bert_answer": ("BertForQuestionAnswering", "BertConfig", sizes | dry, 1),
    "roberta": ("RobertaForSequenceClassification", "RobertaConfig", roberta_like | dry, 2),
    "roberta_token": ("RobertaForTokenClassification", "RobertaConfig", roberta_like | dry, 1),
    "roberta_answer": ("RobertaForQuestionAnswering", "RobertaConfig", roberta_like | dry, 1),
    "distilbert": ("DistilBertForSequenceClassification", "DistilBertConfig", distil, 2),
    "distilbert_answer": ("DistilBertForQuestionAnswering", "DistilBertConfig", distil, 1),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", gpt2, 2),
    "gpt2_cls": ("GPT2ForSequenceClassification", "GPT2Config", gpt2 | dict(pad_token_id=0), 1),
    "llama": ("LlamaForCausalLM", "LlamaConfig", grouped | dict(tie_word_embeddings=False), 2),
    "llama_tied": ("LlamaForCausalLM", "LlamaConfig", grouped | dict(num_key_value_heads=1, tie_word_embeddings=True), 1),
    # Texts of up to 24 tokens by a model that was pretrained with 8.
    "llama_yarn": ("LlamaForCausalLM", "LlamaConfig", grouped | dict(rope_parameters={"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0,
                   "original_max_position_embeddings": 8, "beta_fast": 4, "beta_slow": 1}), 1),
    "llama_cls": ("LlamaForSequenceClassification", "LlamaConfig", grouped | dict(pad_token_id=0), 1),
    "mistral": ("MistralForCausalLM", "MistralConfig", grouped | dict(sliding_window=6), 2),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", sizes | dict(num_key_value_heads=1, tie_word_embeddings=True), 2),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", grouped, 2),
    "gpt_neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", sizes | dict(hidden_dropout=0.0, attention_dropout=0.0, rotary_pct=0.25, use_parallel_residual=True, bos_token_id=0, eos_token_id=0), 2),
    "xlm_roberta": ("XLMRobertaForSequenceClassification", "XLMRobertaConfig", roberta_like | dry, 1),
    "camembert": ("CamembertForSequenceClassification", "CamembertConfig", roberta_like | dry, 1),
    "camembert_token": ("CamembertForTokenClassification", "CamembertConfig", roberta_like | dry | dict(type_vocab_size=2), 1),
    "electra": ("ElectraForSequenceClassification", "ElectraConfig", electra, 2),
    "electra_token": ("ElectraForTokenClassification", "ElectraConfig", electra | dict(embedding_size=C), 1),
    # Three layers of two groups: the first two share their weights; each is two blocks.
    "albert": ("AlbertForSequenceClassification", "AlbertConfig", albert | dict(num_hidden_groups=2, inner_group_num=2), 3),
    "albert_token": ("AlbertForTokenClassification", "AlbertConfig", albert | dict(embedding_size=C), 2),
    # Longer than the 128 tokens from which on all distances are one.
    "mpnet": ("MPNetForSequenceClassification", "MPNetConfig", after_padding | dry | dict(pad_token_id=1, max_position_embeddings=142), 2),
    "mpnet_token": ("MPNetForTokenClassification", "MPNetConfig", after_padding | dry | dict(pad_token_id=1), 1),
    "modernbert": ("ModernBertForSequenceClassification", "ModernBertConfig", modern, 4),
    # What published models leave off: biases everywhere, pooling by the mean.
    "modernbert_bias": ("ModernBertForSequenceClassification", "ModernBertConfig", modern | dict(
        norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True, classifier_pooling="mean",
        classifier_activation="silu", layer_types=["sliding_attention", "full_attention"]), 2),
    "modernbert_token": ("ModernBertForTokenClassification", "ModernBertConfig", modern | dict(layer_types=["full_attention", "sliding_attention"]), 2),
    "modernbert_answer": ("ModernBertForQuestionAnswering", "ModernBertConfig", modern | dict(layer_types=["sliding_attention"]), 1),
    "bert_mlm": ("BertForMaskedLM", "BertConfig", sizes | dry | dict(hidden_act="relu"), 1),
    # The last product by a weight and a bias of its own.
    "bert_mlm_untied": ("BertForMaskedLM", "BertConfig", sizes | dry | dict(tie_word_embeddings=False), 1),
    "roberta_mlm": ("RobertaForMaskedLM", "RobertaConfig", roberta_like | dry | dict(hidden_act="relu"), 1),
    "distilbert_mlm": ("DistilBertForMaskedLM", "DistilBertConfig", distil | dict(activation="relu"), 1),
    "electra_mlm": ("ElectraForMaskedLM", "ElectraConfig", electra | dict(hidden_act="relu"), 1),
    "electra_rtd": ("ElectraForPreTraining", "ElectraConfig", electra, 1),
    "albert_mlm": ("AlbertForMaskedLM", "AlbertConfig", albert, 1),
    "mpnet_mlm": ("MPNetForMaskedLM", "MPNetConfig", after_padding | dry | dict(pad_token_id=1, hidden_act="relu"), 1),
    "modernbert_mlm": ("ModernBertForMaskedLM", "ModernBertConfig", modern | dict(layer_types=["full_attention", "sliding_attention"]), 2),
    "modernbert_mlm_bias": ("ModernBertForMaskedLM", "ModernBertConfig", modern | dict(layer_types=["sliding_attention"],
        norm_bias=True, classifier_bias=True, decoder_bias=False, classifier_activation="silu"), 1),
    "deberta": ("DebertaV2ForSequenceClassification", "DebertaV2Config", deberta | dict(max_position_embeddings=142), 2),
    # Products of their own for positions, no buckets and a range that texts exceed, absolute positions and types too,
    # narrow embeddings.
    "deberta_own": ("DebertaV2ForSequenceClassification", "DebertaV2Config", deberta | dict(share_att_key=False, position_buckets=-1,
        max_relative_positions=9, norm_rel_ebd="none", position_biased_input=True, type_vocab_size=2, embedding_size=8), 2),
    "deberta_c2p": ("DebertaV2ForTokenClassification", "DebertaV2Config", deberta | dict(pos_att_type=["c2p"]), 1),
    "deberta_p2c": ("DebertaV2ForQuestionAnswering", "DebertaV2Config", deberta | dict(pos_att_type="p2c", share_att_key=False), 1),
    "eurobert": ("EuroBertForSequenceClassification", "EuroBertConfig", euro, 2),
    "eurobert_mean": ("EuroBertForSequenceClassification", "EuroBertConfig", euro | dict(classifier_pooling="mean", attention_bias=True, mlp_bias=True), 1),
    "eurobert_token": ("EuroBertForTokenClassification", "EuroBertConfig", euro, 1),
    "eurobert_mlm": ("EuroBertForMaskedLM", "EuroBertConfig", euro, 1),
    "eurobert_mlm_tied": ("EuroBertForMaskedLM", "EuroBertConfig", euro | dict(tie_word_embeddings=True, mlp_bias=True), 1),
    # Transformers saves them under the names of the original program, query, key and value in one.
    "nomic_bert": ("NomicBertForSequenceClassification", "NomicBertConfig", nomic, 2),
    "nomic_bert_token": ("NomicBertForTokenClassification", "NomicBertConfig", nomic | dict(head_dim=4), 1),
    "nomic_bert_mlm": ("NomicBertForMaskedLM", "NomicBertConfig", nomic, 1),
    "ernie": ("ErnieForSequenceClassification", "ErnieConfig", sizes | dry | dict(use_task_id=True), 1),
    "ernie_token": ("ErnieForTokenClassification", "ErnieConfig", sizes | dry, 1),
    "ernie_mlm": ("ErnieForMaskedLM", "ErnieConfig", sizes | dry | dict(hidden_act="relu"), 1),
    "data2vec_mlm": ("Data2VecTextForMaskedLM", "Data2VecTextConfig", roberta_like | dry | dict(hidden_act="relu"), 1),
    # BERT's head before narrow embeddings, and the original program's.
    "deberta_mlm": ("DebertaV2ForMaskedLM", "DebertaV2Config", deberta | dict(embedding_size=8), 1),
    "deberta_mlm_own": ("DebertaV2ForMaskedLM", "DebertaV2Config", deberta | dict(legacy=False), 1),
    "data2vec_text": ("Data2VecTextForSequenceClassification", "Data2VecTextConfig", roberta_like | dry, 1),
}

# Of these too the losses of 20 steps are written.
CURVES = ["deberta", "nomic_bert"]

# Those that other files of reference numbers are made of: their numbers go by their places in this list.
FIRST = """bert bert_token - - roberta - - distilbert - gpt2 gpt2_cls llama llama_tied llama_cls mistral qwen2 qwen3
gpt_neox xlm_roberta - camembert_token electra - albert - mpnet mpnet_token modernbert modernbert_bias""".split()
PLACES = {name: place for place, name in enumerate(FIRST)} | {"llama_yarn": FIRST.index("llama_cls")}


def randomize(model, seed, small):
    """Weights far from those of a new model: no norm's is 1, no bias 0, so that a swapped or a missing one shows. Small ones take few
    values of few bits, which gzip packs well."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        noise = torch.randint(-7, 8, p.shape, generator=generator) / 8 if small else torch.randn(p.shape, generator=generator)
        scale = 0.5 if "embeddings" in name or "embed_" in name or "wte" in name or "wpe" in name else p.shape[-1] ** -0.5
        scale = 2.0 ** round(math.log2(scale)) if small else scale
        spread = 0.5 if small else 0.2
        with torch.no_grad():
            if p.dim() > 1:
                p.copy_(noise * scale)
            else:
                p.copy_(1 + spread * noise if name.endswith("weight") else spread * noise)


def labels_of(kind, s, ids):
    """The targets of sequence s, (labels, how many they are)."""
    n = len(ids)
    if kind.endswith("ForCausalLM") or kind.endswith("LMHeadModel"):
        return torch.tensor(ids), n - 1
    if kind.endswith("ForTokenClassification"):  # a word's later pieces have none
        tags = [-100 if k % 4 == 3 else (k * 7 + s) % LABELS for k in range(n)]
        return torch.tensor(tags), sum(t >= 0 for t in tags)
    if kind.endswith("ForMaskedLM"):  # every fourth; see masked
        tokens = [ids[k] if k % 4 == 1 else -100 for k in range(n)]
        return torch.tensor(tokens), sum(t >= 0 for t in tokens)
    if kind.endswith("ForPreTraining"):  # what stands there may be from another text, or from this one
        return torch.tensor([float(k % 3 == 1) for k in range(n)]), n
    if kind.endswith("ForQuestionAnswering"):
        return torch.tensor([n // 3, n // 2]), 1
    return torch.tensor([s % LABELS]), 1


def masked(ids, labels):
    """Of the tokens that are learned one in three stays as it is, and one is another."""
    learned = [k for k, label in enumerate(labels.tolist()) if label >= 0]
    return [i if k not in learned else (4, 5 + (i * 7) % (V - 5), i)[learned.index(k) % 3] for k, i in enumerate(ids)]


def curve(kind, model, batch):
    """The losses of 20 steps, each before its update: AdamW, a rate that falls to zero, decay of matrices alone, no clipping."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([dict(params=matrices, weight_decay=0.01), dict(params=vectors, weight_decay=0.0)], lr=1e-3)
    losses = []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 1e-3 * (STEPS - step) / STEPS
        optimizer.zero_grad()
        loss = sum(sum_of_losses(kind, model(**inputs).logits[0], labels) for inputs, labels in batch)
        loss = loss / sum(int((labels >= 0).sum()) for _, labels in batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def sum_of_losses(kind, logits, labels):
    entropy = lambda scores, classes: torch.nn.functional.cross_entropy(scores, classes, ignore_index=-100, reduction="sum")
    if kind.endswith("ForPreTraining"):
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
    if labels.is_floating_point():
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    if kind.endswith("ForCausalLM") or kind.endswith("LMHeadModel"):
        return entropy(logits[:-1], labels[1:])
    if kind.endswith("ForQuestionAnswering"):
        return entropy(logits.T, labels) / 2
    return entropy(logits.reshape(-1, logits.shape[-1]), labels)


def check_against_its_own_loss(model, kind, inputs, labels, loss, count):
    """Our sum, over the number of targets, is the loss of the model's own class."""
    if kind.endswith("ForQuestionAnswering"):
        own = model(**inputs, start_positions=labels[:1], end_positions=labels[1:]).loss
    else:
        own = model(**inputs, labels=labels[None] if labels.dim() and not kind.endswith("SequenceClassification") or labels.is_floating_point() else labels).loss
    assert abs(float(own) - float(loss) / count) < 1e-5 * max(1, float(own)), (kind, float(own), float(loss) / count)


def make(name, target):
    small = name not in PLACES
    index = zlib.crc32(name.encode()) if small else PLACES[name]
    kind, config_kind, options, layers = CASES[name]
    options = dict(options, **{"n_layers" if "dim" in options else "n_layer" if "n_embd" in options else "num_hidden_layers": layers})
    if "SequenceClassification" in kind or "TokenClassification" in kind:
        options["num_labels"] = LABELS
    config = getattr(tf, config_kind)(**options)
    config._attn_implementation = "eager"
    model = getattr(tf, kind)(config).eval()
    randomize(model, SEED * 100 + index, small)
    shutil.rmtree(target, ignore_errors=True)
    model.save_pretrained(target)
    goldens.pack(target)
    (target / "generation_config.json").unlink(missing_ok=True)
    bodies = []
    model.base_model.register_forward_hook(lambda module, inputs, output: bodies.append(output[0]))
    rng = random.Random(SEED * 1000 + index)
    lengths = [*LENGTHS[:2], 140, LENGTHS[3]] if options.get("max_position_embeddings", 0) > 140 else LENGTHS
    out, batch, total, count = {}, [], 0.0, 0
    model.zero_grad()
    for s, n in enumerate(lengths):
        ids = [rng.randrange(5, V) for _ in range(n)]
        labels, targets = labels_of(kind, s, ids)
        if options.get("problem_type") == "multi_label_classification":
            labels = torch.tensor([float((k + s) % 3 == 0) for k in range(LABELS)])
        ids = masked(ids, labels) if kind.endswith("ForMaskedLM") else ids
        inputs = {"input_ids": torch.tensor([ids])}
        if getattr(config, "type_vocab_size", 1) == 2:
            inputs["token_type_ids"] = torch.tensor([[int(k > n // 2) for k in range(n)]])
        answer = model(**inputs)
        logits = torch.stack([answer.start_logits[0], answer.end_logits[0]], -1) if kind.endswith("ForQuestionAnswering") else answer.logits[0]
        out[f"hidden.{s}"] = bodies[-1][0].detach().clone()
        loss = sum_of_losses(kind, logits, labels)
        with torch.no_grad():
            check_against_its_own_loss(model, kind, inputs, labels, loss.detach(), targets)
        loss.backward()
        total, count = total + loss.item(), count + targets
        out |= {f"{key}.{s}": value[0] for key, value in inputs.items()}
        out |= {f"labels.{s}": labels, f"logits.{s}": logits.detach()}
        batch.append((inputs, labels))
    gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad / count for n, p in model.named_parameters()}
    norm = float(torch.sqrt(sum((g.double() ** 2).sum() for g in gradients.values())))
    out |= {f"grad.{n}": g for n, g in gradients.items()}
    goldens.write_tensors(target / "golden.safetensors", out)
    summary = dict(loss=total / count, targets=count, lengths=list(lengths), grad_norm=norm, seed=SEED,
                   transformers=tf.__version__, torch=torch.__version__)
    if kind.endswith("ForMaskedLM") or kind.endswith("ForPreTraining") or name in CURVES:
        summary["curve"] = curve(kind, model, batch)
    goldens.write_small(target / "golden.json", summary)
    size = sum(f.stat().st_size for f in target.iterdir())
    print(f"{name:20} {sum(p.numel() for p in model.parameters()):6} parameters {size:7} bytes  loss {total / count:.4f}")
    return size


if __name__ == "__main__":
    root = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/goldens"
    names = sys.argv[1:] or list(CASES)
    print("bytes:", sum(make(name, root / name) for name in names))
