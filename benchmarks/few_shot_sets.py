"""Writes the sets of benchmarks/few_shot.sh: DATASET/SHOTS/SET.jsonl and DATASET/test.jsonl.

    python benchmarks/few_shot_sets.py DATA OUTPUT [--test-rows 1000] [--choosing]

DATA is a folder with ag_news/test.csv, sst2/train.tsv, dev.tsv and test.tsv, and medical_abstracts/medical_tc_test.csv.
Sets are drawn by seeds, so that they are the same everywhere; one of 32 texts a class is half of that of 64. Of AG News and
the medical abstracts only the test files are at hand: sets and test rows are both from them and share none.

By --choosing come other sets with other test rows, which are there to choose defaults by: no row that is tested without it
is among them. (Of AG News all are from rows by which defaults were chosen before, too: LOG.md, 2026-11-29.)
"""
import argparse
import collections
import csv
import json
import random
from pathlib import Path

TOPICS = ["World", "Sports", "Business", "Sci/Tech"]
SETS = 10
SHOTS = (8, 16, 64)
CHOSEN_BY = ((7, 600), (99, 1000))  # a shuffle's seed, and how many of its first rows


def ag_news(data):
    with open(data / "ag_news/test.csv", encoding="utf-8") as file:
        return [(f"{title} {text}", TOPICS[int(label) - 1]) for label, title, text in csv.reader(file)]


def sst2(data, name):
    lines = (data / "sst2" / name).read_text(encoding="utf-8").splitlines()
    fields = [line.split("\t") for line in lines]
    return [(f[0], ("negative", "positive")[int(f[1])]) for f in fields]


def medical_abstracts(data):
    with open(data / "medical_abstracts/medical_tc_labels.csv", encoding="utf-8") as file:
        names = {row["condition_label"]: row["condition_name"] for row in csv.DictReader(file)}
    with open(data / "medical_abstracts/medical_tc_test.csv", encoding="utf-8") as file:
        return [(row["medical_abstract"], names[row["condition_label"]]) for row in csv.DictReader(file)]


def once(pool):
    """Rows whose text no other row has: a text under two labels would be learned and tested."""
    count = collections.Counter(text for text, _ in pool)
    return [row for row, (text, _) in enumerate(pool) if count[text] == 1]


def draws(pool, rows, seed_of):
    """The sets of a data set's rows, as (shots, number, rows by label)."""
    of_label = {}
    for row in rows:
        of_label.setdefault(pool[row][1], []).append(row)
    for shots in SHOTS:
        for number in range(SETS):
            draw = random.Random(seed_of(shots, number))
            yield shots, number, [draw.sample(of_label[label], shots) for label in sorted(of_label)]


def shuffled(rows, seed):
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    return rows


def write(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))


def write_sets(folder, pool, drawn):
    """Returns the rows that are in any."""
    used = set()
    for shots, number, of_labels in drawn:
        used.update(row for rows in of_labels for row in rows)
        write(folder / str(shots) / f"{number}.jsonl", [pool[row] for rows in of_labels for row in rows])
        if shots == 64:
            write(folder / "32" / f"{number}.jsonl", [pool[row] for rows in of_labels for row in rows[:32]])
    return used


def reported(shots, number):
    return 1000 * shots + number


def choosing(shots, number):
    return 1000 * shots + 500 + number


def write_ag_news(folder, data, for_choosing):
    pool = ag_news(data)
    drawn = list(draws(pool, range(len(pool)), reported))
    used = {row for _, _, of_labels in drawn for rows in of_labels for row in rows}
    rest = [row for row in range(len(pool)) if row not in used]
    chosen = []
    for seed, count in CHOSEN_BY:
        chosen += [row for row in shuffled(rest, seed)[:count] if row not in chosen]
    if for_choosing:
        write_sets(folder, pool, draws(pool, chosen[:600], choosing))
        return [pool[row] for row in chosen[600:]]
    write_sets(folder, pool, drawn)
    chosen = set(chosen)
    return [pool[row] for row in shuffled([row for row in rest if row not in chosen], 2026)]


def write_sst2(folder, data, for_choosing):
    pool = sst2(data, "train.tsv")
    write_sets(folder, pool, draws(pool, range(len(pool)), choosing if for_choosing else reported))
    test = sst2(data, "dev.tsv" if for_choosing else "test.tsv")
    random.Random(2026).shuffle(test)
    return test


def write_medical_abstracts(folder, data, for_choosing):
    pool = medical_abstracts(data)
    rows = shuffled(once(pool), 2026)
    test, learned = rows[:1000], rows[1000:]
    if for_choosing:
        test, learned = learned[:500], learned[500:]
    write_sets(folder, pool, draws(pool, sorted(learned), choosing if for_choosing else reported))
    return [pool[row] for row in test]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--choosing", action="store_true")
    options = parser.parse_args()
    for name, make in (("ag_news", write_ag_news), ("sst2", write_sst2), ("medical_abstracts", write_medical_abstracts)):
        test = make(options.output / name, options.data, options.choosing)
        write(options.output / name / "test.jsonl", test[: options.test_rows])
        print(f"{name}: {min(options.test_rows, len(test))} of {len(test)} test rows")


if __name__ == "__main__":
    main()
