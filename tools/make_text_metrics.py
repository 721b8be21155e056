#!/usr/bin/env python3
"""Makes src/test/resources/dev/attune/metrics/texts.json with sacreBLEU and with torchmetrics' port of rouge_score. Only needed to change it; the build
and the tests need no Python. Usage: make_text_metrics.py RESOURCES_DIR"""
import json, os, random, sys
import sacrebleu
from torchmetrics.functional.text.rouge import _normalize_and_tokenize_text as words, _rouge_l_score, _rouge_lsum_score, _rouge_n_score

generator = random.Random(7)
vocabulary = "the tenant landlord shall pay rent 3,000.50 a month; notice of 30-days' (written) is \"due\" at No. 5 O'Neil's & co. e.g. U.S. well-known 10-12 % $5".split(" ")
sentence = lambda n: " ".join(generator.choice(vocabulary) for _ in range(n))


def noisy(text, rate):
    out = []
    for word in text.split(" "):
        draw = generator.random()
        if draw < rate / 2:
            out.append(generator.choice(vocabulary))
        elif draw > rate:
            out.append(word)
    return " ".join(out)


pairs = {
    "equal": [("The cat sat on the mat.", "The cat sat on the mat."), ("Yes", "Yes")],
    "nothing_shared": [("alpha beta gamma delta", "one two three four"), ("", "five six")],
    "empty": [("", ""), ("  ", "a"), ("a b c d e", "")],
    "short": [("yes", "yes"), ("no no", "no"), ("one two three", "one two three")],
    "smoothed": [("the cat the dog", "the cat a dog"), ("a b c", "c b a")],
    "brief": [("the tenant pays", "the tenant pays the landlord the rent of each month in advance")],
    "marks": [("It costs $3,000.50 (net)!", "It costs $3,000.50, net!"), ("a-b 10-12 5-", "a-b 10 - 12 5 -"), ("&quot;x&quot; &amp; &lt;y&gt;", "\"x\" & <y>"),
              ("end-\nof line\nnext <skipped> x", "endof line next x"), ("e.g. U.S. 1.5, 2,5 .5 5.", "e.g. U.S. 1.5, 2,5 .5 5 .")],
    "unicode": [("Größe 😀 naïve \u00a0café\u2003x", "Größe 😀 naïve café x"), ("Здравствуйте, мир", "Здравствуй, мир"), ("日本語のテキスト", "日本語のテスト"), ("ﬁ ½ İ", "fi 1/2 i")],
    "case": [("The TENANT", "the tenant"), ("ABC abc", "abc ABC")],
    "lines": [("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", "w1 w2 w3 w4 w5"), ("the rent is due\n\nnotice of a month", "notice of one month\nthe rent was due"), ("a b a b a\nb a b", "b a\na b a\nb b")],
    "repeats": [("the the the the the the the", "the cat is on the mat"), ("a a b b a a b b", "a b a b")],
}
for name, count, low, high, rate in [("near", 40, 5, 40, 0.2), ("far", 40, 5, 40, 0.9), ("tiny", 60, 1, 5, 0.5)]:
    pairs[name] = []
    for _ in range(count):
        reference = sentence(generator.randint(low, high))
        pairs[name].append((noisy(reference, rate), reference))
pairs["several_lines"] = []
for _ in range(40):
    reference = [sentence(generator.randint(1, 12)) for _ in range(generator.randint(1, 5))]
    prediction = [noisy(s, 0.4) for s in generator.sample(reference, len(reference))]
    pairs["several_lines"].append(("\n".join(prediction), "\n".join(reference)))

cases = []
for name, texts in pairs.items():
    predictions, references = [p for p, _ in texts], [r for _, r in texts]
    f = {"rouge1": [], "rouge2": [], "rougeL": [], "rougeLsum": []}
    for p, r in texts:
        a, b = words(p), words(r)
        f["rouge1"].append(float(_rouge_n_score(a, b, 1)["fmeasure"]))
        f["rouge2"].append(float(_rouge_n_score(a, b, 2)["fmeasure"]))
        f["rougeL"].append(float(_rouge_l_score(a, b)["fmeasure"]))
        f["rougeLsum"].append(float(_rouge_lsum_score([words(s) for s in p.split("\n")], [words(s) for s in r.split("\n")])["fmeasure"]))
    cases.append({"name": name, "predictions": predictions, "references": references, "bleu": sacrebleu.corpus_bleu(predictions, [references]).score,
                  "chrf": sacrebleu.corpus_chrf(predictions, [references]).score, **{k: sum(v) / len(v) for k, v in f.items()},
                  "exact_match": sum(p.strip() == r.strip() for p, r in texts) / len(texts)})
json.dump(cases, open(os.path.join(sys.argv[1], "dev", "attune", "metrics", "texts.json"), "w"), ensure_ascii=False, indent=0)
print(len(cases), "cases")
