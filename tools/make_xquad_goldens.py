#!/usr/bin/env python3
"""Writes src/test/resources/goldens/xquad_de: a tiny BERT for answers with a vocabulary of German word pieces, and what Transformers
makes with it of questions of XQuAD in German: windows, targets and the best answer.

    tools/make_xquad_goldens.py XQUAD_DE_JSON

The texts themselves are not written. Needs torch, transformers and tokenizers. Windows and answers are those of
make_answer_goldens.py, which holds them against run_qa.py. Weights are multiples of 1/32, so that the file packs well; a question
whose two best answers are nearly as likely is left out."""
import json, pathlib, sys, tempfile
import torch
import transformers as tf
import goldens
import make_answer_goldens as answers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

MAX_LENGTH, STRIDE, EVERY = 96, 24, 50
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
torch.set_num_threads(1)
answers.MAX_LENGTH, answers.STRIDE = MAX_LENGTH, STRIDE


def tokenizer(texts):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=700, limit_alphabet=90, special_tokens=SPECIALS, show_progress=False))
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.TemplateProcessing(single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
                                                     special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return t


def model(vocabulary):
    torch.manual_seed(5)
    config = tf.BertConfig(vocab_size=vocabulary, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                           max_position_embeddings=MAX_LENGTH, hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    made = tf.BertForQuestionAnswering(config).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.5)
            elif "LayerNorm.weight" not in name:
                weight.normal_(std=0.1)
            weight.copy_((weight * 32).round() / 32)
    return made


asked = []
for article in json.loads(pathlib.Path(sys.argv[1]).read_text())["data"]:
    for paragraph in article["paragraphs"]:
        asked += [(paragraph["context"], qa) for qa in paragraph["qas"]]
target = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources/goldens/xquad_de"
target.mkdir(parents=True, exist_ok=True)
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    (folder / "tokenizer.json").write_text(tokenizer([context for context, _ in asked]).to_str())
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}))
    tokens = tf.AutoTokenizer.from_pretrained(folder, model_type="bert")
    net = model(len(tokens))
    net.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json", "model.safetensors"):
        goldens.write(target / name, (folder / name).read_bytes())
    rows = []
    for number, (context, qa) in list(enumerate(asked))[::EVERY]:
        answer = qa["answers"][0]
        begin, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
        windows, scored = [], []
        for ids, offsets in answers.windows_of(tokens, qa["question"], context):
            own = [i for i, o in enumerate(offsets) if o is not None]
            first = last = 0
            if offsets[own[0]][0] <= begin and offsets[own[-1]][1] >= end:
                first = max(i for i in own if offsets[i][0] <= begin)
                last = min(i for i in own if offsets[i][1] >= end)
            types = torch.tensor([[int(i >= own[0]) for i in range(len(ids))]])
            with torch.no_grad():
                out = net(torch.tensor([ids]), token_type_ids=types)
            scored.append(((out.start_logits[0].double().numpy(), out.end_logits[0].double().numpy()), offsets))
            windows.append({"ids": ids, "offsets": [e for i in own for e in offsets[i]], "start": first, "end": last})
        best = answers.best_answers(context, scored, 20, 30, False, 0.0)["nbest"]
        if best[0]["score"] > 1.01 * best[1]["score"]:
            rows.append({"number": number, "windows": windows, "start": best[0]["start"], "end": best[0]["end"], "text": best[0]["text"],
                         "score": best[0]["score"]})
goldens.write_json(target / "golden.json", {"max_length": MAX_LENGTH, "stride": STRIDE, "rows": rows}, separators=(",", ":"))
print(len(rows), "questions", sum(len(r["windows"]) for r in rows), "windows", [r["text"] for r in rows[:20]])
for file in sorted(target.iterdir()):
    print(file.name, file.stat().st_size)
