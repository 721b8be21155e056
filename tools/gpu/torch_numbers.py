"""PyTorch's figures for the work that run.sh times: comparison only, no part of the product.

Prints one line a figure: what,value,unit. Whole steps are BERT with a classification head on packed-equivalent
work: batches padded to their longest sentence, lengths drawn like `attune bench` draws them (4 to 48 tokens), AdamW
(fused), clipping, dropout 0.1, bf16 autocast or float32 without tf32. Only real tokens count.
"""

import argparse
import random
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

SHAPES = {
    "minilm": (384, 6, 12, 1536),
    "bert-base": (768, 12, 12, 3072),
    "bert-large": (1024, 24, 16, 4096),
}
STEPS = [
    ("minilm", 256, "bf16"),
    ("bert-base", 64, "bf16"),
    ("bert-base", 256, "bf16"),
    ("bert-large", 64, "bf16"),
    ("bert-base", 64, "fp32"),
]


class Layer(nn.Module):
    """A BERT layer, with the attention kernel that PyTorch chooses."""

    def __init__(self, width, heads, hidden, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)

    def forward(self, x, mask):
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        p = self.dropout if self.training else 0.0
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
        x = self.norm1(x + self.drop(self.out(a.transpose(1, 2).reshape(B, T, C))))
        return self.norm2(x + self.drop(self.down(F.gelu(self.up(x)))))


class Bert(nn.Module):
    """Embeddings, layers, pooler, two classes."""

    def __init__(self, width, layers, heads, hidden, vocabulary=30522, dropout=0.1):
        super().__init__()
        self.word = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(512, width)
        self.kind = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(width, heads, hidden, dropout) for _ in range(layers))
        self.pooler = nn.Linear(width, width)
        self.head = nn.Linear(width, 2)
        self.dropout = dropout

    def forward(self, ids, mask):
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.word(ids) + self.position(places) + self.kind.weight[0])
        x = F.dropout(x, self.dropout, self.training)
        for layer in self.layers:
            x = layer(x, mask)
        x = torch.tanh(self.pooler(x[:, 0]))
        return self.head(F.dropout(x, self.dropout, self.training))


def report(what, value, unit):
    print(f"{what},{value:.6g},{unit}", flush=True)


def timed(call, repeats=20, samples=9):
    """Median seconds of a call, many calls to a wait."""
    for _ in range(3):
        call()
    times = []
    for _ in range(samples):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(repeats):
            call()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) / repeats)
    return statistics.median(times)


def batches(size, count, generator):
    made = []
    for _ in range(count):
        lengths = [4 + generator.randrange(45) for _ in range(size)]
        longest = max(lengths)
        ids = torch.zeros(size, longest, dtype=torch.long)
        mask = torch.zeros(size, 1, 1, longest, dtype=torch.bool)
        for row, length in enumerate(lengths):
            ids[row, :length] = torch.tensor([generator.randrange(30522) for _ in range(length)])
            mask[row, :, :, :length] = True
        labels = torch.tensor([row & 1 for row in range(size)])
        made.append((ids.pin_memory(), mask.pin_memory(), labels.pin_memory(), sum(lengths)))
    return made


def whole_steps(name, size, precision, steps):
    torch.manual_seed(1)
    width, layers, heads, hidden = SHAPES[name]
    model = Bert(width, layers, heads, hidden).cuda().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01, fused=True)
    data = batches(size, 16, random.Random(1))
    torch.cuda.reset_peak_memory_stats()
    times, tokens = [], 0
    for step in range(steps + 3):
        ids, mask, labels, count = data[step % len(data)]
        torch.cuda.synchronize()
        begin = time.perf_counter()
        ids, mask, labels = (t.cuda(non_blocking=True) for t in (ids, mask, labels))
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(model(ids, mask), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        torch.cuda.synchronize()
        if step >= 3:
            times.append(time.perf_counter() - begin)
            tokens += count
    what = f"torch {name} batch={size} {precision}"
    report(f"{what} tokens_per_second", tokens / sum(times), "second")
    report(f"{what} median_step_millis", statistics.median(times) * 1e3, "millis")
    report(f"{what} peak_memory_bytes", torch.cuda.max_memory_allocated(), "bytes")


def ops():
    N = 8192
    for dtype in (torch.bfloat16, torch.float32):
        label = str(dtype).split(".")[1]
        for C, out in ((384, 1536), (768, 2304), (768, 3072), (3072, 768), (4096, 4096)):
            inp = torch.randn(N, C, device="cuda", dtype=dtype)
            weight = torch.randn(out, C, device="cuda", dtype=dtype)
            bias = torch.randn(out, device="cuda", dtype=dtype)
            seconds = timed(lambda: F.linear(inp, weight, bias))
            report(f"torch linear_forward N={N} C={C} F={out} {label}", seconds * 1e6, "us")
        for C in (384, 768):
            inp = torch.randn(N, C, device="cuda", dtype=dtype)
            weight = torch.ones(C, device="cuda", dtype=dtype)
            seconds = timed(lambda: F.layer_norm(inp, (C,), weight, weight, 1e-12))
            report(f"torch layer_norm_forward N={N} C={C} {label}", seconds * 1e6, "us")
            seconds = timed(lambda: F.gelu(inp))
            report(f"torch activation_forward N={N} C={C} {label}", seconds * 1e6, "us")
        for B, T, H, D in ((16, 256, 12, 64), (64, 128, 12, 64), (8, 2048, 12, 64)):
            q = torch.randn(B, H, T, D, device="cuda", dtype=dtype, requires_grad=True)
            k, v = (torch.randn_like(q, requires_grad=True) for _ in range(2))
            seconds = timed(lambda: F.scaled_dot_product_attention(q, k, v))
            report(f"torch attention_forward B={B} T={T} H={H} D={D} {label}", seconds * 1e6, "us")
            out = F.scaled_dot_product_attention(q, k, v)
            dout = torch.randn_like(out)
            seconds = timed(lambda: torch.autograd.grad(out, (q, k, v), dout, retain_graph=True))
            report(f"torch attention_backward B={B} T={T} H={H} D={D} {label}", seconds * 1e6, "us")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = False
    for name, size, precision in STEPS:
        whole_steps(name, size, precision, arguments.steps)
    ops()


if __name__ == "__main__":
    main()
