#!/usr/bin/env python3
"""Writes src/test/resources/dropout.json: losses and gradient norms of tiny models (make_family_goldens.py), as Transformers
gives them where its dropout draws our masks: what goldens without dropout cannot show is where a family drops, which
elements that is of, and by what the rest is scaled. Needs torch and transformers.

Masks are those of core/Philox and attune_ops.h: 16 random bits an element, keyed by (seed, step, op), where op counts the
random streams that a forward pass takes: 2 a layer norm (input, output), 1 an attention or a dropout of its own.

Named families are made anew beside the others of the file; without names all are."""
import gzip, json, pathlib, sys
import numpy as np
import torch
import goldens
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

P, SEED, STEPS = 0.1, 11, 2
THRESHOLD = round(P * 65536)
SCALE = np.float32(65536 / (65536 - THRESHOLD))


def lanes(op, step, block, row):
    """The eight 16-bit lanes of the Philox4x32-10 blocks with counters (block, row): (n, 8)."""
    word, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    c0, c1 = block.astype(np.uint64), row.astype(np.uint64)
    c2, c3 = np.full_like(c0, op), np.full_like(c0, step)
    k0, k1 = SEED, 0
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> word) ^ c1 ^ np.uint64(k0), p1 & mask, (p0 >> word) ^ c3 ^ np.uint64(k1), p0 & mask
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return np.stack([c0, c1, c2, c3], -1).astype("<u4").view("<u2")


def factors(bits):
    return (bits >= THRESHOLD) * SCALE


def of_elements(op, step, rows, cols):
    """(rows, cols), elements counted row-major."""
    block = np.arange((rows * cols + 7) // 8)
    return factors(lanes(op, step, block, np.zeros_like(block)).reshape(-1)[: rows * cols].reshape(rows, cols))


def of_probabilities(op, step, rows, heads, keys):
    """(rows, heads, keys)."""
    blocks = (keys + 7) // 8
    block, row = np.meshgrid(np.arange(blocks), np.arange(rows * heads))
    return factors(lanes(op, step, block.ravel(), row.ravel()).reshape(rows, heads, blocks * 8)[:, :, :keys])


def encoder(layers, dropped, head, whole=False):
    """The dropouts of an encoder in the order in which Transformers runs them: (kind, op).

    dropped: ops of a layer's hidden dropouts, counted from its first; head: those of the head, from its first;
    whole: whether the last layer runs for all rows."""
    calls = [("rows", 1)]
    for layer in range(layers):
        last = "first " if layer == layers - 1 and not whole else ""
        calls.append((last + "probabilities", 2 + 5 * layer))
        calls += [(last + "rows", 2 + 5 * layer + op) for op in dropped]
    return calls + [("sequences", 2 + 5 * layers + op) for op in head]


def decoder(layers, per_layer, embedding, probabilities, dropped):
    """The same of a decoder."""
    calls = [("rows", 0)] if embedding else []
    for layer in range(layers):
        calls.append(("probabilities", 1 + per_layer * layer + probabilities))
        calls += [("rows", 1 + per_layer * layer + op) for op in dropped]
    return calls


def by_distance(layers):
    """The dropouts of DeBERTa without a norm on its table of positions, which has a mask in every layer."""
    calls = [("rows", 1)]
    for layer in range(layers):
        first = 2 + 6 * layer
        calls += [("table", first), ("probabilities", first + 1), ("rows", first + 2), ("rows", first + 4)]
    return calls + [("sequences", 2 + 6 * layers), ("sequences", 3 + 6 * layers)]


SEQUENCES, TOKENS = AutoModelForSequenceClassification, AutoModelForCausalLM
CASES = {
    # family: (class, dropouts in config.json, calls)
    "bert": (SEQUENCES, ["hidden_dropout_prob", "attention_probs_dropout_prob"], encoder(2, [1, 3], [1])),
    "roberta": (SEQUENCES, ["hidden_dropout_prob", "attention_probs_dropout_prob"], encoder(2, [1, 3], [0, 1])),
    "distilbert": (SEQUENCES, ["dropout", "attention_dropout", "seq_classif_dropout"], encoder(2, [3], [1])),
    "electra": (SEQUENCES, ["hidden_dropout_prob", "attention_probs_dropout_prob"], encoder(2, [1, 3], [0, 1])),
    "albert": (SEQUENCES, ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"], encoder(6, [1], [1])),
    "mpnet": (SEQUENCES, ["hidden_dropout_prob", "attention_probs_dropout_prob"], encoder(2, [1, 3], [0, 1], whole=True)),
    # The first layer has no norm before attention; behind the layers come a final norm and what stands before the head and in its norm.
    "modernbert": (SEQUENCES, ["attention_dropout", "embedding_dropout", "classifier_dropout"], encoder(4, [1], [3])),
    # Few positions: batches of any length look at the whole table.
    "deberta_own": (SEQUENCES, ["hidden_dropout_prob", "attention_probs_dropout_prob", "pooler_dropout"], by_distance(2)),
    "gpt2": (TOKENS, ["attn_pdrop", "embd_pdrop", "resid_pdrop"], decoder(2, 5, True, 2, [3, 5])),
    "gpt_neox": (TOKENS, ["attention_dropout", "hidden_dropout"], decoder(2, 7, True, 2, [3, 6])),
    "llama": (TOKENS, ["attention_dropout"], decoder(2, 1, False, 0, [])),
}


class Masks:
    """Takes the place of torch's dropout during one forward pass over padded sequences of these lengths."""

    def __init__(self, calls, step, lengths):
        self.calls, self.step, self.lengths = iter(calls), step, lengths

    def __call__(self, input, p=0.5, training=True, inplace=False):
        if p == 0:
            return input
        assert p == P and training
        kind, op = next(self.calls)
        mask = np.zeros(input.shape, np.float32)
        first = kind.startswith("first ")  # all other rows of a last layer are computed for nobody
        bounds = range(len(self.lengths) + 1) if first else np.concatenate([[0], np.cumsum(self.lengths)])
        if kind in ("sequences", "table"):
            mask[:] = of_elements(op, self.step, *input.shape)
        elif kind.endswith("rows"):
            packed = of_elements(op, self.step, bounds[-1], input.shape[-1])
            for b in range(len(self.lengths)):
                mask[b, : bounds[b + 1] - bounds[b]] = packed[bounds[b] : bounds[b + 1]]
        else:
            packed = of_probabilities(op, self.step, bounds[-1], input.shape[1], max(self.lengths))
            for b, keys in enumerate(self.lengths):
                rows = packed[bounds[b] : bounds[b + 1], :, :keys].transpose(1, 0, 2)
                mask[b, :, : rows.shape[1], :keys] = rows
        return input * torch.from_numpy(mask)


def step_of(model, calls, step, sequences, padding):
    ids, types, labels = sequences
    lengths = [len(i) for i in ids]
    pad = lambda parts, value: torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=value)
    inputs = {"input_ids": pad(ids, padding), "attention_mask": pad([torch.ones_like(i) for i in ids], 0)}
    if types:
        inputs["token_type_ids"] = pad(types, 0)
    masks = Masks(calls, step, lengths)
    plain, torch.nn.functional.dropout = torch.nn.functional.dropout, masks
    try:
        logits = model(**inputs).logits
    finally:
        torch.nn.functional.dropout = plain
    assert next(masks.calls, None) is None, "Transformers drops less often than this script says"
    if logits.dim() == 3:
        labels = [i[1:] for i in ids]
        logits = torch.cat([logits[b, : n - 1] for b, n in enumerate(lengths)])
    loss = torch.nn.functional.cross_entropy(logits, torch.cat(labels))
    model.zero_grad()
    loss.backward()
    norms = {name: float(p.grad.double().norm()) for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": float(loss.detach()), "gradient_norms": norms}


root = pathlib.Path(__file__).resolve().parent.parent / "src/test/resources"
file = root / "dropout.json"
out = {"p": P, "seed": SEED, "families": {}}
if sys.argv[1:]:
    out = json.loads(gzip.decompress(pathlib.Path(f"{file}.gz").read_bytes()))
for family, (kind, options, calls) in CASES.items():
    if sys.argv[1:] and family not in sys.argv[1:]:
        continue
    folder = root / "goldens" / family
    golden = goldens.read_tensors(folder / "golden.safetensors")
    model = kind.from_pretrained(goldens.unpacked(folder), attn_implementation="eager", dtype=torch.float32, **{o: P for o in options}).train()
    part = lambda name: [golden[f"{name}.{s}"].long().reshape(-1) for s in range(4)] if f"{name}.0" in golden else None
    sequences = part("input_ids"), part("token_type_ids"), part("labels")
    steps = [step_of(model, calls, step, sequences, model.config.pad_token_id or 0) for step in range(STEPS)]
    out["families"][family] = {"dropouts": options, "steps": steps}
    print(family, [s["loss"] for s in steps])
out["families"] = {family: out["families"][family] for family in CASES}
goldens.write_json(file, out, indent=1)
