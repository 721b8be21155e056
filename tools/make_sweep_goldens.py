#!/usr/bin/env python3
"""Writes src/test/resources/sweep: what Transformers and PEFT compute with the tiny models and adapters of make_family_goldens.py and
make_adapter_goldens.py where their config.json or adapter_config.json says something else: every key, with values that are legal, odd or null,
alone and in pairs. Needs torch, transformers and peft. (PiSSA's adapter is left to make_adapter_goldens.py: PEFT decomposes in float32, 3e-5 off.)

A line of configs.jsonl and adapters.jsonl: the folder, the keys that are set and dropped, and of each of the four sequences the first five
logits of its last row (one row where a sequence has one). What the peer refuses, or fills with new weights, is left out. "unfit": PEFT warns that
tensors and config do not go together. "notes" says which cases of two keys there are by chance; the seed makes them anew."""
import gzip, json, logging, pathlib, random, shutil, sys, tempfile, warnings
import torch
import transformers as tf
from peft import PeftModel
import goldens

torch.set_num_threads(1)
tf.utils.logging.set_verbosity_error()
tf.utils.logging.disable_progress_bar()
root = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"
MODELS = ["bert", "bert_token", "roberta", "distilbert", "xlm_roberta", "camembert_token", "electra", "albert", "mpnet", "modernbert", "modernbert_bias",
          "gpt2", "gpt2_cls", "gpt_neox", "llama", "llama_tied", "llama_yarn", "llama_cls", "mistral", "qwen2", "qwen3"]
# Those that came later: two keys are drawn for each by a seed of its own, so that one can be made anew without the others.
LATER = ["deberta", "deberta_own", "eurobert", "eurobert_mean", "ernie", "data2vec_text", "mpnet_token", "nomic_bert"]
ADAPTERS = {"llama": "llama", "gpt2": "gpt2", "gpt_neox": "gpt_neox", "qwen3": "qwen3", "bert": "bert", "llama_dora": "llama", "bert_dora": "bert",
            "gpt2_dora": "gpt2", "llama_patterns": "llama", "bert_bias": "bert", "llama_saved": "llama", "gpt_neox_olora": "gpt_neox"}
DROP = "(drop)"
# Said of every family, whether it knows the key or not.
ANYWHERE = {"tie_word_embeddings": [True, False, DROP], "initializer_range": [0.5], "use_cache": [False], "chunk_size_feed_forward": [1],
            "output_hidden_states": [True], "torch_dtype": ["bfloat16"], "pad_token_id": [0, 3, None, DROP], "eos_token_id": [7], "is_decoder": [True, False],
            "id2label": [{"0": "a", "1": "b", "2": "c", "3": "d", "4": "e"}], "problem_type": ["single_label_classification"], "foo": [1]}
ACTIVATIONS = ["gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh", "mish", "relu2"]
ENCODER = {"position_embedding_type": ["absolute", "relative_key"], "layer_norm_eps": [0.0, 1e-12, 1e-3, 0.5, DROP], "hidden_act": ACTIVATIONS + [DROP],
           "num_attention_heads": [1, 4, 8], "hidden_dropout_prob": [0.4], "attention_probs_dropout_prob": [0.3], "classifier_dropout": [0.3, None],
           "type_vocab_size": [DROP], "embedding_size": [16]}
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
ROTARY = {"rope_theta": [50.0, 500000], "rope_scaling": [None, {}, {"type": "linear", "factor": 3.0}, {"rope_type": "linear", "factor": 1.0},
                                                   {"type": "dynamic", "factor": 4.0}, {"rope_type": "proportional", "factor": 2.0}],
          "rope_parameters": [DROP, {}, {"rope_theta": 20.0}, ROPE, ROPE | {"rope_theta": 7.0}, ROPE | {"partial_rotary_factor": 0.5},
                              ROPE | {"rope_type": "linear", "factor": 2.5}, ROPE | {"rope_type": "dynamic", "factor": 2.0},
                              ROPE | {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8},
                              ROPE | {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
                              ROPE | {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8},
                              ROPE | {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8, "beta_fast": 4, "beta_slow": 2, "truncate": False},
                              ROPE | {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8, "mscale": 0.7, "mscale_all_dim": 0.3},
                              ROPE | {"rope_type": "yarn", "factor": 2.0, "attention_factor": 1.3},
                              ROPE | {"rope_type": "proportional", "factor": 2.0}, ROPE | {"foo": 1}],
          "partial_rotary_factor": [0.5], "original_max_position_embeddings": [8]}
LLAMA = ROTARY | {"rms_norm_eps": [0.0, 1e-5, 0.5, DROP], "hidden_act": ACTIVATIONS + [DROP], "attention_bias": [True, False], "mlp_bias": [True, False],
                  "head_dim": [DROP], "num_key_value_heads": [4], "sliding_window": [3, None, DROP], "use_sliding_window": [True, False, DROP], "max_window_layers": [0, 1],
                  "layer_types": [["sliding_attention", "full_attention"], ["full_attention", "full_attention"], DROP], "attention_dropout": [0.4],
                  "pretraining_tp": [2], "max_position_embeddings": [19, 8192], "logit_scale": [2.0], "attn_logit_softcapping": [1.0], "embedding_multiplier": [2.0],
                  "rope_interleaved": [True, False], "use_mrope": [True, False]}
GPT2 = {"activation_function": ACTIVATIONS + [DROP], "layer_norm_epsilon": [0.0, 1e-3, 0.5, DROP], "scale_attn_weights": [False, True], "n_ctx": [8],
        "scale_attn_by_inverse_layer_idx": [True, False], "reorder_and_upcast_attn": [True], "n_head": [1, 4], "attn_pdrop": [0.4], "resid_pdrop": [0.4],
        "embd_pdrop": [0.4], "summary_type": ["mean"], "hidden_act": ["relu"]}
NEOX = ROTARY | {"hidden_act": ACTIVATIONS + [DROP], "layer_norm_eps": [0.0, 1e-3, 0.5, DROP], "use_parallel_residual": [False, True, DROP], "attention_bias": [True, DROP],
                 "rotary_pct": [0.5, 1.0], "rotary_emb_base": [77], "num_attention_heads": [1, 4], "hidden_dropout": [0.4], "attention_dropout": [0.4]}
MODERN = {"hidden_activation": ACTIVATIONS + [DROP], "norm_eps": [0.0, 1e-3, 0.5, DROP], "layer_norm_eps": [0.5], "local_attention": [2, 5, 100], "mlp_dropout": [0, 0.0, 0.4],
          "layer_types": [DROP, ["sliding_attention"] * 4, ["full_attention", "sliding_attention"]], "global_attn_every_n_layers": [1, 2], "classifier_pooling": ["mean", "cls", "max"],
          "classifier_activation": ["relu", "tanh", DROP], "num_attention_heads": [1, 4], "global_rope_theta": [30.0], "local_rope_theta": [30.0, None], "decoder_bias": [False],
          "rope_parameters": [DROP, {}, {"full_attention": ROPE | {"rope_theta": 30.0}, "sliding_attention": ROPE | {"rope_theta": 3.0}},
                              {"full_attention": ROPE | {"rope_theta": 30.0}}, {"full_attention": ROPE | {"rope_type": "linear", "factor": 2.0}, "sliding_attention": ROPE}],
          "rope_scaling": [{"type": "linear", "factor": 2.0}], "max_position_embeddings": [8192], "deterministic_flash_attn": [True], "sliding_window": [3]}
DEBERTA = ENCODER | {"type_vocab_size": [0, 2, DROP], "embedding_size": [8, 16], "relative_attention": [False, DROP], "pos_att_type": ["c2p", "p2c", "c2p|p2c", ["c2p"], ["c2p", "p2c"], [], None, DROP],
                     "position_buckets": [-1, 0, 4, 8, 32, DROP], "max_relative_positions": [-1, 0, 5, 9, 60, DROP], "max_position_embeddings": [150], "norm_rel_ebd": ["none", "layer_norm", "layer_norm|none", DROP],
                     "share_att_key": [True, False, DROP], "position_biased_input": [False, True, DROP], "conv_kernel_size": [0], "conv_act": ["gelu"], "attention_head_size": [4],
                     "pooler_dropout": [0.4], "pooler_hidden_act": ["relu", "tanh", DROP], "pooler_hidden_size": [16, 7], "cls_dropout": [0.4], "legacy": [False, True], "z_steps": [1], "model_max_length": [9]}
EURO = LLAMA | {"classifier_pooling": ["bos", "mean", "late", "max", DROP]}
NOMIC = ENCODER | ROTARY | {"head_dim": [8, None], "max_position_embeddings": [19, 8192], "n_embd": [16, 32], "n_layer": [2, 1], "n_positions": [24, 8], "layer_norm_epsilon": [0.5, 1e-12], "activation_function": ["swiglu", "geglu", "gelu"],
                            "rotary_emb_base": [77], "rotary_emb_fraction": [0.5, 1.0], "rotary_emb_interleaved": [True], "rotary_scaling_factor": [2], "qkv_proj_bias": [True], "mlp_fc1_bias": [True], "prenorm": [True],
                            "parallel_block": [True], "causal": [True], "use_flash_attn": [True], "embd_pdrop": [0.4], "resid_pdrop": [0.4], "moe_every_n_layers": [2], "num_experts": [8]}
KEYS = {"bert": ENCODER, "roberta": ENCODER, "xlm-roberta": ENCODER, "camembert": ENCODER, "electra": ENCODER | {"summary_type": ["mean"]},
        "albert": ENCODER | {"num_hidden_groups": [1], "inner_group_num": [1], "classifier_dropout_prob": [0.4], "down_scale_factor": [2]},
        "mpnet": ENCODER | {"relative_attention_num_buckets": [32, DROP]},
        "distilbert": {"activation": ACTIVATIONS + [DROP], "hidden_act": ["relu"], "n_heads": [1, 4], "dropout": [0.4], "attention_dropout": [0.4], "qa_dropout": [0.4],
                       "seq_classif_dropout": [0.4], "sinusoidal_pos_embds": [True], "tie_weights_": [False], "layer_norm_eps": [0.5]},
        "gpt2": GPT2, "gpt_neox": NEOX, "llama": LLAMA, "mistral": LLAMA, "qwen2": LLAMA, "qwen3": LLAMA, "modernbert": MODERN,
        "deberta-v2": DEBERTA, "eurobert": EURO, "ernie": ENCODER | {"use_task_id": [True, False, DROP], "task_type_vocab_size": [DROP]}, "data2vec-text": ENCODER, "nomic_bert": NOMIC}
LORA = {"lora_alpha": [1, 0.5, 64], "use_rslora": [True, False], "use_dora": [False, True], "lora_dropout": [0.4], "fan_in_fan_out": [True, False], "bias": ["none", "all", "lora_only"],
        "init_lora_weights": [True, False, None, "gaussian", "eva", "orthogonal", "mica", "pissa", "olora", "pissa_niter_2", "corda", "loftq", "lora_ga", "foo"],
        "alpha_pattern": [{"q_proj": 3}, {"layers.1.self_attn.v_proj": 1, "v_proj": 9}, {"query": 5, "c_attn": 5, "dense": 2}, {r".*\.0\..*": 3}, {"^foo": 3}],
        "rank_pattern": [{"foo": 3}, {"q_proj": 2, "query": 2, "c_attn": 2}], "exclude_modules": [["foo"], ["k_proj"], ["v_proj", "value"], r".*\.1\..*"],
        "layers_to_transform": [[0, 1], [1], 0], "layers_pattern": ["layers", "h"], "modules_to_save": [["foo"], ["norm"]], "task_type": [None, "FEATURE_EXTRACTION"], "r": [2, 4],
        "lora_bias": [True], "inference_mode": [False], "megatron_core": ["x"], "runtime_config": [{"ephemeral_gpu_offload": False}], "trainable_token_indices": [[3]],
        "ensure_weight_tying": [True], "layer_replication": [[[0, 2], [1, 2]]], "use_qalora": [True], "foo": [1, False, []], "peft_type": ["LOHA"], "target_modules": ["all-linear"],
        "alora_invocation_tokens": [[3]], "target_parameters": [["foo"]], "corda_config": [{}]}


def changed(config, edits):
    config = dict(config)
    for key, value in edits.items():
        config.pop(key, None) if value == DROP else config.update({key: value})
    return config


def few(model, golden):
    """Of each sequence the first five logits of its last row."""
    numbers = []
    for s in range(4):
        inputs = {k: golden[f"{k}.{s}"][None] for k in ("input_ids", "token_type_ids") if f"{k}.{s}" in golden}
        with torch.no_grad():
            logits = model(**inputs).logits[0]
        numbers += [float(x) for x in (logits[-1] if logits.dim() == 2 else logits)[:5]]
    return numbers


def short(numbers):
    return [float(f"{x:.7g}") for x in numbers]


def write(name, rows):
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    goldens.write(root / "sweep" / name, text.encode())
    print(name, len(rows), "cases", len(text), "bytes", sum("logits" in r for r in rows), "with numbers")


def line(folder, edits, **more):
    drop = [k for k, v in edits.items() if v == DROP]
    return {"folder": folder, "set": {k: v for k, v in edits.items() if v != DROP}, **({"drop": drop} if drop else {}), **more}


def models(later=None):
    """All; or those of LATER that are named, beside what is there of the others."""
    rows, rng = [], random.Random(11)
    if later:
        there = gzip.decompress((root / "sweep/configs.jsonl.gz").read_bytes()).decode().splitlines()
        rows = [row for row in map(json.loads, there) if row["folder"] not in later]
    for name in later or MODELS + LATER:
        rng = random.Random(f"11 {name}") if name in LATER else rng
        source = root / "goldens" / name
        config, golden = json.loads((source / "config.json").read_text()), goldens.read_tensors(source / "golden.safetensors")
        kind = getattr(tf, config["architectures"][0])
        keys = ANYWHERE | KEYS[config["model_type"]]
        alone = [{k: v} for k, vs in keys.items() for v in vs if not (v == DROP and k not in config)]
        legal = []
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            shutil.copy(goldens.unpacked(source) / "model.safetensors", work)

            def run(edits):
                (work / "config.json").write_text(json.dumps(changed(config, edits)))
                try:
                    model, info = kind.from_pretrained(work, dtype=torch.float32, output_loading_info=True)
                    numbers = few(model.eval(), golden)
                except Exception:
                    return None
                return None if info["missing_keys"] or info["mismatched_keys"] or numbers != numbers else numbers
            plain = short(run({}))
            rows.append(line(name, {}, logits=plain))
            for edits in alone:
                numbers = run(edits)
                if numbers is not None:
                    same = short(numbers) == plain
                    rows.append(line(name, edits, **({} if same else {"logits": short(numbers)})))
                    legal.append((edits, same))
            matter = [e for e, same in legal if not same]
            for _ in range(8):
                if len(matter) > 1:
                    one, two = rng.sample(matter, 2)
                    numbers = run(one | two)
                    if numbers is not None:
                        rows.append(line(name, one | two, logits=short(numbers)))
        print(name, len(rows), flush=True)
    write("configs.jsonl", rows)


def adapters():
    rows, rng = [], random.Random(12)
    for name, base in ADAPTERS.items():
        source = root / "adapters" / name
        config, golden = json.loads((source / "adapter_config.json").read_text()), goldens.read_tensors(root / "goldens" / base / "golden.safetensors")
        kind = getattr(tf, json.loads((root / "goldens" / base / "config.json").read_text())["architectures"][0])
        whole = goldens.unpacked(root / "goldens" / base)
        alone = [{k: v} for k, vs in LORA.items() for v in vs]
        legal = []
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            for file in goldens.unpacked(source).glob("adapter_model.*"):
                shutil.copy(file, work)

            def run(edits):
                (work / "adapter_config.json").write_text(json.dumps(changed(config, edits)))
                with warnings.catch_warnings(record=True) as said:
                    warnings.simplefilter("always")
                    try:
                        body = kind.from_pretrained(whole, dtype=torch.float32)
                        numbers = few(PeftModel.from_pretrained(body, work).eval(), golden)
                    except Exception:
                        return None, False
                return numbers, any("adapter keys" in str(w.message) or "already found" in str(w.message).lower() and False for w in said)
            plain = short(run({})[0])
            rows.append(line(name, {}, logits=plain))
            for edits in alone:
                numbers, unfit = run(edits)
                if numbers is not None:
                    same = short(numbers) == plain
                    rows.append(line(name, edits, **({"unfit": True} if unfit else {} if same else {"logits": short(numbers)})))
                    legal.append((edits, same or unfit))
            matter = [e for e, same in legal if not same]
            for _ in range(6):
                if len(matter) > 1:
                    one, two = rng.sample(matter, 2)
                    numbers, unfit = run(one | two)
                    if numbers is not None:
                        rows.append(line(name, one | two, **({"unfit": True} if unfit else {"logits": short(numbers)})))
        print(name, len(rows), flush=True)
    write("adapters.jsonl", rows)


(root / "sweep").mkdir(exist_ok=True)
if sys.argv[1:] and set(sys.argv[1:]) <= set(LATER):
    models(sys.argv[1:])
else:
    for part in sys.argv[1:] or ["models", "adapters"]:
        {"models": models, "adapters": adapters}[part]()
