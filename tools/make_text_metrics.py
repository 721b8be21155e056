#!/usr/bin/env python3
"""Makes src/test/resources/dev/attune/metrics/texts.json with sacreBLEU and rouge_score (google-research/rouge), both on PYTHONPATH. Only needed to
change it; the build and the tests need no Python. Usage: make_text_metrics.py RESOURCES_DIR"""
import json, os, random, sys, types
try:
    import nltk.stem.porter
except ImportError:  # rouge_score imports the stemmer even where use_stemmer is off
    for name in ("nltk", "nltk.stem", "nltk.stem.porter"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["nltk.stem"].porter = sys.modules["nltk.stem.porter"]
import goldens
import sacrebleu
from rouge_score import rouge_scorer

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
    "hyphens": [("a state-of-the-art, well-known re-entry", "a state of the art well known reentry"), ("2024-11-27", "2024 11 27"), ("e-mail", "email"),
                ("non\u2010breaking\u2011hyphen \u2013 dash\u2014dash", "non-breaking-hyphen - dash-dash"), ("--", "-")],
    "digits": [("It is 3.14159 or 3,14159", "It is 3.14159"), ("1,000,000 = 1000000", "1000000"), ("\u0663\u0664 \uff13\uff14 x\u00b2 \u2460", "34 34 x2 1"),
               ("v2.0.1-rc3", "v2 0 1 rc3"), ("007 7", "7 007"), ("4th 4 th", "4th")],
    "case_of_unicode": [("\u212a\u0130I\u0131", "kiii"), ("STRASSE Stra\u00dfe", "strasse"), ("\u01c5 \u1e9e \u03a3\u03a3", "\u01c6 \u00df \u03c3\u03c2"), ("\u00c5ngstr\u00f6m \u212bngstrom", "angstrom ngstrom"),
                        ("na\u00efve nai\u0308ve", "naive nai ve")],
    "separators": [("a\tb\rc\x0bd\x0ce\x1cf\x85g\u2028h\u2029i\u00a0j\u200bk\ufeffl", "a b c d e f g h i j k l"), ("snake_case_name", "snake case name"), ("O'Neil's", "o neil s"),
                   ("x\x00y", "x y"), ("...", "!!!"), ("\u4f60\u597d world", "world \u4f60\u597d"), ("a\U0001f600b", "a b"), ("\U0001d400\U0001d401", "ab")],
    "line_breaks": [("one two\nthree", "one two three"), ("\n\n", "a"), ("\n", "\n"), ("a\n\n\nb\n", "a\nb"), ("a b\r\nc d", "a b\nc d"), ("a\u2028b", "a\nb"), ("...\na", "a\n..."),
                    (" \n ", "a\n "), ("the cat\nthe cat\nthe cat", "the cat"), ("x y z\nz y x", "z x y\ny z x"), ("police killed the gunman\nthe gunman", "the gunman\nkilled police"),
                    ("c a b a c\na c a", "a b c a\nc a a b\na")],
    "ties": [("a b c d e f", "f e d c b a"), ("a b a c a d a", "a a a d c b"), ("b a b a b", "a b a"), ("x a x b x c\nc x b x a x", "a b c x\nx c b a"), ("d c a b d\nb d a c", "a b c d\nd c b a")],
    "one_sided": [("", "one two three"), ("one two three", ""), ("", "\n"), (".", "one"), ("one", "."), ("word", "word"), ("word", "another word"), ("a b", "b a"), ("a", "a a")],
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
pairs["long"] = []
for rate in (0.05, 0.5, 1.0):
    reference = [sentence(generator.randint(20, 90)) for _ in range(8)]
    pairs["long"].append(("\n".join(noisy(s, rate) for s in generator.sample(reference, 6)), "\n".join(reference)))
pairs["few_words"] = []
for _ in range(60):  # many longest common subsequences of one length: which one is taken decides ROUGE-Lsum
    text = lambda: "\n".join(" ".join(generator.choice("abc") for _ in range(generator.randint(0, 9))) for _ in range(generator.randint(1, 4)))
    pairs["few_words"].append((text(), text()))

scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=False)
cases = []
for name, texts in pairs.items():
    predictions, references = [p for p, _ in texts], [r for _, r in texts]
    scores = [scorer.score(r, p) for p, r in texts]
    f = {kind: [score[kind].fmeasure for score in scores] for kind in scorer.rouge_types}
    cases.append({"name": name, "predictions": predictions, "references": references, "bleu": sacrebleu.corpus_bleu(predictions, [references]).score,
                  "chrf": sacrebleu.corpus_chrf(predictions, [references]).score, **{k: sum(v) / len(v) for k, v in f.items()},
                  "exact_match": sum(p.strip() == r.strip() for p, r in texts) / len(texts)})
goldens.write_json(os.path.join(sys.argv[1], "dev", "attune", "metrics", "texts.json"), cases, indent=0)
print(len(cases), "cases")
