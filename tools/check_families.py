#!/usr/bin/env python3
"""Trains a tiny model of each family of encoders with ./attune for a few steps and has Transformers read what it wrote: the
probabilities that both give for the same texts must agree. And has ./attune read a folder with a prompt that sentence-transformers
wrote: vectors must agree. Needs torch, transformers and sentence-transformers; run without arguments for all families, or with the
names of some. ATTUNE_NO_BUILD=1 takes the classes of target/ as they are."""
import json, os, pathlib, shutil, subprocess, sys, tempfile
import sentence_transformers
import sentence_transformers.models
import torch
import transformers as tf

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOLERANCE = 2e-5  # of a probability
tf.utils.logging.set_verbosity_error()
tf.utils.logging.disable_progress_bar()
torch.set_num_threads(1)

small = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2, max_position_embeddings=66)
distil = dict(dim=32, hidden_dim=48, n_layers=3, n_heads=2, max_position_embeddings=66)
FAMILIES = {
    # name: (config class, what it says, folder of the tokenizer)
    "bert": ("BertConfig", small, "electra"),
    "distilbert": ("DistilBertConfig", distil, "electra"),
    "roberta": ("RobertaConfig", small, "xlm_roberta"),
    "xlm_roberta": ("XLMRobertaConfig", small | dict(type_vocab_size=1), "xlm_roberta"),
    "camembert": ("CamembertConfig", small | dict(type_vocab_size=1), "camembert"),
    "electra": ("ElectraConfig", small | dict(embedding_size=16), "electra"),
    "albert": ("AlbertConfig", small | dict(embedding_size=16), "albert"),
    "mpnet": ("MPNetConfig", small, "mpnet"),
    "modernbert": ("ModernBertConfig", small | dict(local_attention=8), "modernbert"),
    "deberta": ("DebertaV2Config", small | dict(type_vocab_size=0, relative_attention=True, position_buckets=16, norm_rel_ebd="layer_norm",
                share_att_key=True, pos_att_type=["p2c", "c2p"], position_biased_input=False), "deberta"),
    "eurobert": ("EuroBertConfig", small, "modernbert"),
    "ernie": ("ErnieConfig", small, "electra"),
    "data2vec": ("Data2VecTextConfig", small | dict(type_vocab_size=1), "xlm_roberta"),
    "nomic_bert": ("NomicBertConfig", small, "electra"),
}
GOOD, BAD = "good quick lovely sun".split(), "bad old sad rain".split()
TEXTS = ["the quick brown fox", "the lazy dog sleeps in the rain", "a very bad film, and a sad one", "it was good",
         "le café était fermé à cause de la pluie", "in 1999 the price rose by 12.5 %", "a long way from here to there and a longer way back in the snow " * 2]


def attune(*arguments):
    run = subprocess.run([ROOT / "attune", *map(str, arguments)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"attune {' '.join(map(str, arguments))}\n{run.stderr[-3000:]}")


def base(folder, family):
    config_kind, options, tokenizer = FAMILIES[family]
    files = ROOT / "src/test/resources/tokenizers" / tokenizer
    loaded = tf.AutoTokenizer.from_pretrained(files)
    special = {key: getattr(loaded, key) for key in ("pad_token_id", "cls_token_id", "sep_token_id")}
    if config_kind != "ModernBertConfig":
        special = {"pad_token_id": special["pad_token_id"]}
    config = getattr(tf, config_kind)(vocab_size=len(loaded), **options, **special)
    torch.manual_seed(3)
    model = tf.AutoModel.from_config(config)
    for p in model.parameters():
        with torch.no_grad():
            p.add_(0.2 * torch.randn_like(p))
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(files / name, folder / name)


def classification(work, folder):
    data = work / "train.jsonl"
    data.write_text("".join(json.dumps({"text": f"{a} the {b}", "label": label}) + "\n"
                            for words, label in ((GOOD, "yes"), (BAD, "no")) for a in words for b in words))
    texts = work / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    out, answers = work / "out", work / "answers.jsonl"
    attune("train", "--model", folder, "--task", "classification", "--train-file", data, "--output-dir", out, "--max-steps", 6,
           "--batch-size", 8, "--learning-rate", 1e-3, "--precision", "fp32", "--threads", 1)
    attune("predict", "--model", out, "--file", texts, "--output", answers, "--precision", "fp32", "--threads", 1)
    model = tf.AutoModelForSequenceClassification.from_pretrained(out, attn_implementation="eager").eval()
    tokenizer = tf.AutoTokenizer.from_pretrained(out)
    worst = 0.0
    for text, line in zip(TEXTS, answers.read_text().splitlines(), strict=True):
        with torch.no_grad():
            expected = torch.softmax(model(**tokenizer(text, return_tensors="pt")).logits[0], -1)
        scores = json.loads(line)["scores"]
        worst = max(worst, *(abs(float(expected[model.config.label2id[label]]) - p) for label, p in scores.items()))
    return worst


def token_classification(work, folder):
    data = work / "tags.jsonl"
    rows = [t.split() for t in TEXTS]
    data.write_text("".join(json.dumps({"tokens": r, "tags": ["B-X" if len(w) > 4 else "O" for w in r]}) + "\n" for r in rows))
    out, answers = work / "tagger", work / "tags_out.jsonl"
    attune("train", "--model", folder, "--task", "token-classification", "--train-file", data, "--output-dir", out, "--max-steps", 6,
           "--batch-size", 4, "--learning-rate", 1e-3, "--precision", "fp32", "--threads", 1)
    attune("predict", "--model", out, "--file", data, "--output", answers, "--precision", "fp32", "--threads", 1)
    model = tf.AutoModelForTokenClassification.from_pretrained(out, attn_implementation="eager").eval()
    tokenizer = tf.AutoTokenizer.from_pretrained(out)
    different = 0
    for words, line in zip(rows, answers.read_text().splitlines(), strict=True):
        # A byte-level tokenizer gets its words as running text has them.
        prefixed = [" " + w for w in words] if "modernbert" in str(model.config.model_type) else words
        e = tokenizer(prefixed, is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            best = model(**e).logits[0].argmax(-1)
        tags = {}
        for i, w in enumerate(e.word_ids(0)):
            if w is not None:
                tags.setdefault(w, model.config.id2label[int(best[i])])
        answer = json.loads(line)
        given = answer.get("predicted_tags") or answer.get("predicted_labels")
        different += sum(tags[w] != given[w] for w in range(len(words)))
    return different


def embedding(work, folder):
    """The largest difference of an element of unit vectors."""
    body = sentence_transformers.models.Transformer(str(folder), max_seq_length=64)
    pooling = sentence_transformers.models.Pooling(body.get_embedding_dimension(), "mean")
    model = sentence_transformers.SentenceTransformer(modules=[body, pooling], prompts={"search_query": "the question is "}, device="cpu")
    place, texts, out = work / "sentences", work / "texts.jsonl", work / "vectors.jsonl"
    model.save(str(place))
    attune("embed", "--model", place, "--file", texts, "--prompt-name", "search_query", "--normalize", "--output", out, "--precision", "fp32",
           "--threads", 1)
    expected = model.encode(TEXTS, prompt_name="search_query", normalize_embeddings=True, batch_size=1)
    return max(float(abs(e - g)) for line, row in zip(out.read_text().splitlines(), expected, strict=True)
               for e, g in zip(row, json.loads(line)["embedding"], strict=True))


failed = False
for family in sys.argv[1:] or FAMILIES:
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(scratch)
        folder = work / "base"
        base(folder, family)
        worst = classification(work, folder)
        different = token_classification(work, folder)
        apart = embedding(work, folder)
    bad = worst > TOLERANCE or different > 0 or apart > TOLERANCE
    failed |= bad
    print(f"{family:12} {'DIFFERS' if bad else 'equal'}: probabilities by at most {worst:.1e}, {different} tags, vectors by {apart:.1e}", flush=True)
sys.exit(failed)
