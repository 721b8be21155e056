#!/bin/sh
# What domain adaptation gains where there are 100 labels: MiniLM as it is beside MiniLM that went on with its pretraining, three sets each.
# Usage, from the root of the repository: sh examples/domain/measure.sh FOLDER, where FOLDER is what tools/SplitAbstracts.java wrote.
set -eu
data=$1
attune=${ATTUNE:-./attune}

$attune pretrain --model minilm --train-file "$data/texts.txt" --format lines --validation-split 0.02 --output-dir "$data/adapted" \
  --max-length 256 --batch-size 16 --max-steps 160 --learning-rate 5e-4 --json

for model in minilm "$data/adapted"; do
  for set in 1 2 3; do
    $attune train --model "$model" --train-file "$data/train-$set.jsonl" --test-file "$data/test.jsonl" \
      --output-dir "$data/$(basename "$model")-$set" --max-length 64 --epochs 5 --batch-size 8 --learning-rate 2e-4 --seed "$set" \
      --max-eval-samples 300 --json
  done
done
