"""Writes the sets of benchmarks/few_shot.sh: DATASET/SHOTS/SET.jsonl and DATASET/test.jsonl.

    python benchmarks/few_shot_sets.py DATA OUTPUT [--test-rows 1000]

DATA is a folder with ag_news/test.csv, and sst2/train.tsv and test.tsv. Sets are drawn by seeds, so that they are the same
everywhere; one of 32 texts a class is half of that of 64. Of AG News only the test file is at hand: sets and test rows are both
from it and share none, and no test row is among those by which the defaults of few-shot were chosen (LOG.md, 2026-11-29).
"""
import argparse
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
        return [(f"{title} {text}", TOPICS[int(label) - 1]) for label, title, text in csv.reader(file)], None


def sst2(data):
    def read(name):
        lines = (data / "sst2" / name).read_text(encoding="utf-8").splitlines()
        fields = [line.split("\t") for line in lines]
        return [(f[0], ("negative", "positive")[int(f[1])]) for f in fields]

    return read("train.tsv"), read("test.tsv")


def write(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--test-rows", type=int, default=1000)
    options = parser.parse_args()
    for name, read in (("ag_news", ag_news), ("sst2", sst2)):
        pool, test = read(options.data)
        of_label = {}
        for row, (_, label) in enumerate(pool):
            of_label.setdefault(label, []).append(row)
        used = set()
        for shots in SHOTS:
            for number in range(SETS):
                draw = random.Random(1000 * shots + number)
                drawn = [draw.sample(of_label[label], shots) for label in sorted(of_label)]
                used.update(row for rows in drawn for row in rows)
                write(options.output / name / str(shots) / f"{number}.jsonl", [pool[row] for rows in drawn for row in rows])
                if shots == 64:
                    half = [pool[row] for rows in drawn for row in rows[:32]]
                    write(options.output / name / "32" / f"{number}.jsonl", half)
        if test is None:
            rest = [row for row in range(len(pool)) if row not in used]
            for seed, count in CHOSEN_BY:
                shuffled = list(rest)
                random.Random(seed).shuffle(shuffled)
                used.update(shuffled[:count])
            test = [pool[row] for row in rest if row not in used]
        random.Random(2026).shuffle(test)
        write(options.output / name / "test.jsonl", test[: options.test_rows])
        print(f"{name}: {min(options.test_rows, len(test))} of {len(test)} test rows")


if __name__ == "__main__":
    main()
