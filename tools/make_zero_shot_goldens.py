"""Makes src/test/resources/goldens/zero_shot.json: how tiny random models choose among labels that they have not learned.

    python tools/make_zero_shot_goldens.py

By entailment: Transformers' pipeline zero-shot-classification with goldens/bert of the test resources, whose outputs are
named as those of a classifier of entailment. By likelihood: goldens/gpt2 with a vocabulary of words, the mean
log-likelihood of a label's tokens, calibrated by what it is after "N/A", "" and "[MASK]" (Zhao et al. 2021).
"""
import gzip
import json
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import GPT2LMHeadModel, pipeline

import goldens

torch.set_num_threads(1)
RESOURCES = Path(__file__).parent.parent / "src/test/resources/goldens"
NAMES = ["contradiction", "neutral", "entailment", "other", "none"]
TEXTS = ["the red cat runs", "a small old tree sings", "the sun", "a new house sleeps"]
LABELS = ["cat", "old tree", "the big sun"]
TEMPLATES = ["This example is {}.", "the {} sings"]
VOCABULARY = json.loads(gzip.decompress((RESOURCES / "sentences.json.gz").read_bytes()))["vocabulary"]


def folder(name, **changes):
    out = Path(tempfile.mkdtemp())
    config = json.loads((RESOURCES / name / "config.json").read_text())
    config.update(changes)
    (out / "config.json").write_text(json.dumps(config))
    (out / "model.safetensors").write_bytes((goldens.unpacked(RESOURCES / name) / "model.safetensors").read_bytes())
    return out


def entailment():
    place = folder(
        "bert",
        id2label={str(i): n for i, n in enumerate(NAMES)},
        label2id={n: i for i, n in enumerate(NAMES)},
    )
    (place / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (place / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    classify = pipeline("zero-shot-classification", model=str(place), tokenizer=str(place), device="cpu")
    cases = []
    for template in TEMPLATES:
        for multi in (False, True):
            for text in TEXTS:
                said = classify(text, LABELS, hypothesis_template=template, multi_label=multi)
                scores = dict(zip(said["labels"], said["scores"]))
                cases.append({"template": template, "multi_label": multi, "text": text, "scores": scores})
    return cases


def likelihood():
    words = ["<end>", "<unk>"] + [w for w in VOCABULARY if w[0] not in "[<"]
    words += [f"w{i}" for i in range(80 - len(words))]
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(words[:80])}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    model = GPT2LMHeadModel.from_pretrained(folder("gpt2")).eval()

    def scores(text, template):
        prompt = (text + "\n" if text else "") + template[: template.index("{}")].rstrip()
        given = tokenizer.encode(prompt).ids
        out = []
        for label in LABELS:
            ids = tokenizer.encode(prompt + " " + label).ids
            with torch.no_grad():
                found = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
            out.append(sum(found[t - 1, ids[t]].item() for t in range(len(given), len(ids))) / (len(ids) - len(given)))
        return torch.tensor(out)

    cases = []
    for template in TEMPLATES:
        free = torch.stack([scores(t, template).softmax(-1) for t in ("N/A", "", "[MASK]")]).mean(0)
        for text in TEXTS:
            calibrated = (scores(text, template) - free.log()).softmax(-1)
            cases.append({"template": template, "text": text, "scores": dict(zip(LABELS, calibrated.tolist()))})
    return json.loads(tokenizer.to_str()), cases


tokenizer, likelihoods = likelihood()
golden = {
    "names": NAMES,
    "labels": LABELS,
    "entailment": entailment(),
    "tokenizer": tokenizer,
    "likelihood": likelihoods,
}
goldens.write_json(RESOURCES / "zero_shot.json", golden)
