"""PyTorch's and Transformers' figures for the work that run.sh times: comparison only, no part of the product.

torch_numbers.py [--only PARTS] [--steps N] [--device cuda|cpu] [--smoke]

Prints one line a figure as soon as it is known: what,value,unit. Parts, in this order:

peaks      a large copy (bytes read plus written) and a large product
steps      steps.txt with Transformers: eager, SDPA, AdamW (fused), clipping, dropout 0.1, bf16 autocast or float32
           without tf32; batches padded to their longest text
attention  scaled_dot_product_attention with FlashAttention, then with cuDNN, on the shapes of cuda_attention_bench: 16384 tokens in
           sequences of one length, 2048 columns; 4 D FLOPs forward and 10 D backward for each pair of a query and a
           key it sees; caches cold
ops        memory-bound kernels and products on the shapes of ops.plan, with their share of the copy
optimizer  torch.optim.AdamW(fused=True) over as many parameters as ops.plan has, and over BERT-base tensor by tensor
compile    bf16 lines of steps.txt for BERT with a batch of 64, and the one of 16384 rows, under torch.compile; every
           batch padded to one length, so that nothing is compiled twice

Only real tokens count. model_flops_utilization is the share of the measured product that the products of the model
make up, counted as Attune counts them (of real tokens; in the last layer, queries and what follows of first tokens
only), so that it compares as tokens/s do. --smoke: toy sizes, for a machine without a GPU.
"""

import argparse
import contextlib
import os
import random
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

PARTS = ("peaks", "steps", "attention", "ops", "optimizer", "compile")
# width, layers, heads, hidden
SHAPES = {
    "minilm": (384, 6, 12, 1536),
    "bert-base": (768, 12, 12, 3072),
    "bert-large": (1024, 24, 16, 4096),
}
SMOKE_SHAPES = {name: (32, 2, 2, 64) for name in SHAPES}
VOCABULARY = 30522
WARMUP = 3
FLUSH_BYTES = 256 << 20


class Machine:
    """A device: its clock, and the peaks that shares refer to."""

    def __init__(self, device, smoke):
        self.device, self.smoke = device, smoke
        self.on_gpu = device == "cuda"
        self.flush = torch.empty(1024 if smoke else FLUSH_BYTES, dtype=torch.uint8, device=device)
        self.copy_rate = self.product_rate = None

    def synchronize(self):
        if self.on_gpu:
            torch.cuda.synchronize()

    def warm_seconds(self, call, repeats=20, samples=9):
        """Median seconds of a call, many calls to a wait."""
        repeats, samples = (1, 2) if self.smoke else (repeats, samples)
        for _ in range(WARMUP):
            call()
        times = []
        for _ in range(samples):
            self.synchronize()
            begin = time.perf_counter()
            for _ in range(repeats):
                call()
            self.synchronize()
            times.append((time.perf_counter() - begin) / repeats)
        return statistics.median(times)

    def cold_seconds(self, call, samples=20):
        """Median seconds of a call after a write that is larger than the second-level cache, by events."""
        if not self.on_gpu:
            return self.warm_seconds(call)
        times = []
        for sample in range(WARMUP + samples):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            self.flush.fill_(sample)
            begin.record()
            call()
            end.record()
            end.synchronize()
            if sample >= WARMUP:
                times.append(begin.elapsed_time(end) * 1e-3)
        return statistics.median(times)

    def measure_peaks(self):
        """The best copy and the median product, sized as Attune's Peaks and ProductPeak have them."""
        count = 1 << 16 if self.smoke else 128 << 20
        source, target = (torch.zeros(count, dtype=torch.uint8, device=self.device) for _ in range(2))
        self.copy_rate = 2 * count / self.warm_seconds(lambda: target.copy_(source))
        N, C, out = (64, 64, 64) if self.smoke else (8192, 4096, 4096)
        self.product_rate = {}
        for dtype in (torch.bfloat16, torch.float32):
            inp, weight = self.random(N, C, dtype=dtype), self.random(out, C, dtype=dtype)
            self.product_rate[dtype] = 2 * N * C * out / self.warm_seconds(lambda: F.linear(inp, weight), repeats=8)

    def random(self, *sizes, dtype=torch.bfloat16):
        return torch.randn(*sizes, device=self.device, dtype=dtype)


def report(what, value, unit):
    print(f"{what},{value:.6g},{unit}", flush=True)


def report_bytes(machine, what, seconds, count):
    report(what, seconds * 1e6, "us")
    report(f"{what} rate", count / seconds * 1e-9, "GB/s")
    report(f"{what} share_of_copy", count / seconds / machine.copy_rate, "share")


def peaks(machine, _):
    report("torch copy", machine.copy_rate * 1e-9, "GB/s")
    for dtype, rate in machine.product_rate.items():
        report(f"torch product {name_of(dtype)}", rate * 1e-12, "TFLOP/s")


def name_of(dtype):
    return {torch.bfloat16: "bf16", torch.float32: "f32"}[dtype]


def attention(machine, _):
    tokens, columns = (256, 128) if machine.smoke else (16384, 2048)
    lengths = (64, 128) if machine.smoke else (128, 256, 512, 1024, 2048)
    # cuDNN's kernels through PyTorch say whether they would be worth having beside ours.
    backends = [("torch", contextlib.nullcontext)]
    if machine.on_gpu:
        kinds = nn.attention.SDPBackend
        backends = [(name, lambda kind=kind: nn.attention.sdpa_kernel(kind))
                    for name, kind in (("torch", kinds.FLASH_ATTENTION), ("cudnn", kinds.CUDNN_ATTENTION))]
    for name, chosen in backends:
        cases = [(T, D, causal, p) for D in (64, 128) for causal in (False, True)
                 for T, p in [(T, 0.0) for T in lengths] + [(lengths[-1], 0.1)]]
        for T, D, causal, p in cases:
            try:
                with chosen():
                    one_attention(machine, name, tokens // T, T, columns // D, D, causal, p)
            except RuntimeError as error:
                if name == "torch":
                    raise
                print(f"{name}: no attention for D={D} T={T} causal={causal} p={p:g}: {error}", file=sys.stderr)


def one_attention(machine, name, B, T, H, D, causal, p):
    # (B,T,H,D) in memory, as products leave it.
    q, k, v = (machine.random(B, T, H, D).transpose(1, 2).requires_grad_() for _ in range(3))

    def forward():
        return F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=causal)

    out = forward()
    dout = torch.randn_like(out)
    pairs = B * H * T * ((T + 1) / 2 if causal else T)
    case = f"D={D} T={T} causal={int(causal)} p={p:g} bf16"
    seconds = machine.cold_seconds(forward)
    report(f"{name} attention_forward {case}", 4 * D * pairs / seconds * 1e-12, "TFLOP/s")
    seconds = machine.cold_seconds(lambda: torch.autograd.grad(out, (q, k, v), dout, retain_graph=True))
    report(f"{name} attention_backward {case}", 10 * D * pairs / seconds * 1e-12, "TFLOP/s")


def gradients(machine, what, out, inputs, count):
    dout = torch.randn_like(out)
    seconds = machine.warm_seconds(lambda: torch.autograd.grad(out, inputs, dout, retain_graph=True))
    report_bytes(machine, what, seconds, count)


def ops(machine, _):
    shrink = 256 if machine.smoke else 1
    for N, C in ((32768, 768), (32768, 1024)):
        N //= shrink
        inp = machine.random(N, C).requires_grad_()
        residual, weight = machine.random(N, C), machine.random(C).requires_grad_()

        def add_norm():
            return F.layer_norm(inp + residual, (C,), weight, weight, 1e-12)

        # As Attune's fused kernel: two inputs, the sum, the output.
        report_bytes(
            machine, f"torch add_layer_norm_forward N={N} C={C} bf16", machine.warm_seconds(add_norm), 8 * N * C
        )
        gradients(machine, f"torch add_layer_norm_backward N={N} C={C} bf16", add_norm(), (inp, weight), 8 * N * C)
    for N, C in ((32768, 1024), (16384, 4096)):
        N //= shrink
        inp, weight = machine.random(N, C).requires_grad_(), machine.random(C).requires_grad_()
        norm = lambda: F.rms_norm(inp, (C,), weight, 1e-6)
        report_bytes(machine, f"torch rms_norm_forward N={N} C={C} bf16", machine.warm_seconds(norm), 4 * N * C)
        gradients(machine, f"torch rms_norm_backward N={N} C={C} bf16", norm(), (inp, weight), 6 * N * C)
    N, C = 16384 // shrink, 4096
    inp = machine.random(N, C).requires_grad_()
    gelu = lambda: F.gelu(inp)
    report_bytes(machine, f"torch gelu_forward N={N} F={C} bf16", machine.warm_seconds(gelu), 4 * N * C)
    gradients(machine, f"torch gelu_backward N={N} F={C} bf16", gelu(), (inp,), 6 * N * C)
    for N, K in ((4096, VOCABULARY), (65536, 1024)):
        N //= shrink
        logits = machine.random(N, K).requires_grad_()
        labels = torch.arange(N, device=machine.device) % K

        def loss_and_gradient():
            return torch.autograd.grad(F.cross_entropy(logits, labels), logits)

        seconds = machine.warm_seconds(loss_and_gradient)
        report_bytes(machine, f"torch cross_entropy_forward_backward N={N} K={K} bf16", seconds, 4 * N * K)
    N = 16384 // shrink
    for C, out in ((768, 3072), (1024, 3072), (1024, 4096), (4096, 1024)):
        inp, weight, bias = machine.random(N, C), machine.random(out, C), machine.random(out)
        seconds = machine.warm_seconds(lambda: F.linear(inp, weight, bias))
        what = f"torch linear_forward N={N} C={C} F={out} bf16"
        report(what, 2 * N * C * out / seconds * 1e-12, "TFLOP/s")
        report(
            f"{what} share_of_product", 2 * N * C * out / seconds / machine.product_rate[torch.bfloat16], "share"
        )


def optimizer(machine, _):
    count = 4096 if machine.smoke else 109482240
    bert = model_of(machine, "bert-base")
    sizes = {
        f"count={count}": [count],
        "bert-base by tensor": [parameter.numel() for parameter in bert.parameters()],
    }
    del bert
    for name, parts in sizes.items():
        weights = [nn.Parameter(machine.random(part, dtype=torch.float32)) for part in parts]
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        adamw = torch.optim.AdamW(weights, lr=1e-5, weight_decay=0.01, fused=True)
        # Weight and both moments read and written, the gradient read. Autocast's bf16 copies come on top, in the step.
        report_bytes(
            machine, f"torch adamw_fused {name} f32", machine.warm_seconds(adamw.step, repeats=5), 28 * sum(parts)
        )


def model_of(machine, name):
    from transformers import BertConfig, BertForSequenceClassification

    width, layers, heads, hidden = (SMOKE_SHAPES if machine.smoke else SHAPES)[name]
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=hidden,
        num_labels=2,
        attn_implementation="sdpa",
    )
    with torch.device(machine.device):
        return BertForSequenceClassification(config).train()


def product_flops(shape, lengths):
    """Of the products of one training step over texts of these lengths."""
    width, layers, _, hidden = shape
    rows, texts = sum(lengths), len(lengths)
    rest = 2 * width * width + 4 * width * hidden  # attention output, up and down, of one row
    forward = (layers - 1) * rows * (6 * width * width + rest)
    forward += rows * 4 * width * width + texts * (2 * width * width + rest)
    forward += texts * (2 * width * width + 4 * width)  # pooler, two classes
    return 3 * forward


def batches(machine, size, length, padded_to=None):
    """Batches of random texts: ids, mask (None where nothing is padded), labels, lengths."""
    generator = random.Random(1)
    made = []
    for _ in range(16):
        lengths = [4 + generator.randrange(45) if length == "short" else int(length) for _ in range(size)]
        longest = padded_to or max(lengths)
        ids = torch.zeros(size, longest, dtype=torch.long)
        mask = torch.zeros(size, longest, dtype=torch.long)
        for row, count in enumerate(lengths):
            ids[row, :count] = torch.tensor([generator.randrange(VOCABULARY) for _ in range(count)])
            mask[row, :count] = 1
        labels = torch.tensor([row & 1 for row in range(size)])
        tensors = [ids, None if min(lengths) == longest else mask, labels]
        if machine.on_gpu:
            tensors = [None if t is None else t.pin_memory() for t in tensors]
        made.append((*tensors, lengths))
    return made


def whole_steps(machine, way, name, size, length, precision, steps):
    torch.manual_seed(1)
    model = model_of(machine, name)
    call = torch.compile(model) if way == "compile" else model
    adamw = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01, fused=True)
    longest = 48 if length == "short" else int(length)
    data = batches(machine, size, length, longest if way == "compile" else None)
    if machine.on_gpu:
        torch.cuda.reset_peak_memory_stats()
    begin = time.perf_counter()
    times, tokens, flops = [], 0, 0
    shape = (SMOKE_SHAPES if machine.smoke else SHAPES)[name]
    for step in range(steps + WARMUP):
        ids, mask, labels, lengths = data[step % len(data)]
        machine.synchronize()
        if step == WARMUP:
            report(f"transformers {way} {name} batch={size} {length} {precision} warmup", time.perf_counter() - begin, "s")
        start = time.perf_counter()
        ids, mask, labels = (None if t is None else t.to(machine.device, non_blocking=True) for t in (ids, mask, labels))
        with torch.autocast(machine.device, torch.bfloat16, enabled=precision == "bf16"):
            loss = call(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        loss.item()
        machine.synchronize()
        if step >= WARMUP:
            times.append(time.perf_counter() - start)
            tokens += sum(lengths)
            flops += product_flops(shape, lengths)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    what = f"transformers {way} {name} batch={size} {length} {precision}"
    report(f"{what} tokens_per_second", tokens / sum(times), "tokens/s")
    report(f"{what} median_step_millis", statistics.median(times) * 1e3, "ms")
    report(f"{what} model_flops_utilization", flops / sum(times) / machine.product_rate[dtype], "share")
    if machine.on_gpu:
        report(f"{what} peak_memory_bytes", torch.cuda.max_memory_allocated(), "bytes")


def planned_steps():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "steps.txt"), encoding="utf-8") as file:
        lines = [line.split("#")[0].split() for line in file]
    return [(name, int(batch), length, precision) for name, batch, length, precision in filter(None, lines)]


def small(machine, size, length):
    """Toy sizes for --smoke."""
    return (2, length if length == "short" else "8") if machine.smoke else (size, length)


def steps(machine, count):
    for name, size, length, precision in planned_steps():
        whole_steps(machine, "eager", name, *small(machine, size, length), precision, count)


def compiled(machine, count):
    for name, size, length, precision in planned_steps():
        if precision == "bf16" and name != "minilm" and (size == 64 or length == "512"):
            whole_steps(machine, "compile", name, *small(machine, size, length), precision, count)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--steps", type=int, default=60, help="counted steps of a run")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--smoke", action="store_true", help="toy sizes")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    for part in wanted:
        if part not in PARTS:
            parser.error(f"--only: there is no part '{part}'; parts are {', '.join(PARTS)}")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch finds no CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = False
    machine = Machine(arguments.device, arguments.smoke)
    machine.measure_peaks()
    run = dict(zip(PARTS, (peaks, steps, attention, ops, optimizer, compiled)))
    failed = 0
    for part in PARTS:
        if part in wanted:
            try:
                run[part](machine, arguments.steps)
            except (RuntimeError, ImportError) as e:  # the others are still wanted
                print(f"{part} failed: {type(e).__name__}: {e}", file=sys.stderr)
                failed += 1
            if machine.on_gpu:
                torch.cuda.empty_cache()
    sys.exit(failed)


if __name__ == "__main__":
    main()
