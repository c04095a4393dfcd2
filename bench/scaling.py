#!/usr/bin/env python3
"""What several ranks gain, measured and as a model of the cost has it.

    bench/scaling.py DATA TOKENIZER [--size small] [--ranks 2 4] [--links shared full 1gbit]

DATA is what `seodang data` wrote, TOKENIZER its tokenizer. Each rank computes
with one thread; `shared` are ranks that mpirun starts on this machine, other
links join network namespaces as hosts (bench/hosts.sh; needs root). They are
compared with one process of as many threads, at most one a core, in turns,
--rounds times. Prints medians: tokens/s, the share of that process's tokens/s,
what a rank sends in a step and how long it waits, and the step's seconds as
measured and as docs/scaling.md predicts them from that process's step.

    bench/scaling.py --predict 85e6 38.6e6 5000 [--rank-tokens 8192 32768]

predicts only: the efficiency of 2 to 32 ranks over links of 1 to 100 Gbit/s, for
weights in the layers and in the embedding, tokens/s of one rank alone, and
tokens that each rank has in a step.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("data", nargs="?")
parser.add_argument("tokenizer", nargs="?")
parser.add_argument("--predict", type=float, nargs=3)
parser.add_argument("--rank-tokens", type=int, nargs="+", default=[8192, 32768])
parser.add_argument("--size", default="small")
parser.add_argument("--ranks", type=int, nargs="+", default=[2])
parser.add_argument("--links", nargs="+", default=["shared"])
parser.add_argument("--batch-tokens", type=int, default=8192)
parser.add_argument("--context", type=int, default=512)
parser.add_argument("--precision", default="auto")
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--rounds", type=int, default=3)
args = parser.parse_args()

root = pathlib.Path(__file__).resolve().parent.parent
os.environ |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def measure(ranks, link, threads=1):
    with tempfile.TemporaryDirectory() as output:
        command = [root / "build/seodang", "pretrain", "--data", args.data, "--tokenizer",
                   args.tokenizer, "-o", output, "--size", args.size, "--steps", args.steps,
                   "--batch-tokens", args.batch_tokens, "--context", args.context,
                   "--precision", args.precision, "--validate-every", 0, "--threads", threads]
        if link == "shared":
            command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", ranks] + command
        elif link:
            command = [root / "bench/hosts.sh", ranks, link] + command
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        with open(f"{output}/metrics.jsonl") as lines:
            steps = [line for line in map(json.loads, lines) if "loss" in line]
        with open(f"{output}/config.json") as file:
            config = json.load(file)
    rest = list(zip(steps[2:], steps[3:]))
    middle = lambda values: statistics.median(list(values))
    return {"config": config,
            "seconds": middle(b["seconds"] - a["seconds"] for a, b in rest),
            "waited": middle(b.get("seconds_waited", 0) for _, b in rest),
            "sent": middle(b.get("bytes_sent", 0) for _, b in rest)}


def parameters(c):
    """Of the layers, and of the embedding (tied)."""
    h, heads = c["hidden_size"], c["num_attention_heads"]
    attention = 2 * h * h + 2 * h * (h // heads) * c["num_key_value_heads"]
    layer = attention + 3 * h * c["intermediate_size"] + 2 * h
    return c["num_hidden_layers"] * layer, c["vocab_size"] * h


def predicted(layers, embedding, computing, ranks, speed):
    """A step's seconds: docs/scaling.md, "What a step costs"."""
    others = (ranks - 1) / ranks
    hidden = 0.6 * computing
    summing = 4 * layers * others / speed
    copies = (4 if args.precision == "f32" else 2) * (layers + embedding) * others / speed
    return computing + max(0, summing - hidden) + 4 * embedding * others / speed + copies


if args.predict:
    layers, embedding, rate = args.predict
    links = (1, 10, 25, 100)
    print(f"{'tokens':>7} {'ranks':>5} " + " ".join(f"{link:>3} Gbit" for link in links))
    for tokens in args.rank_tokens:
        for ranks in (2, 4, 8, 32):
            alone = tokens / rate
            shares = (alone / predicted(layers, embedding, alone, ranks, link * 1e9 / 8)
                      for link in links)
            print(f"{tokens:7} {ranks:5} " + " ".join(f"{share:8.0%}" for share in shares))
    raise SystemExit

cores = len(os.sched_getaffinity(0))
runs = {}
for _ in range(args.rounds):
    for ranks in args.ranks:
        for link in ["", *args.links]:
            threads = 1 if link else min(ranks, cores)
            runs.setdefault((ranks, link), []).append(measure(ranks, link, threads))

print(f"{'ranks':>5} {'link':>8} {'tokens/s':>9} {'share':>6} {'sent MB':>8} {'waited s':>9} "
      f"{'step s':>7} {'predicted':>10}")
for (ranks, link), rounds in runs.items():
    of = {key: statistics.median(run[key] for run in rounds)
          for key in ("seconds", "waited", "sent")}
    tokens = f"{args.batch_tokens / of['seconds']:9.0f}"
    if not link:
        one = of["seconds"]
        print(f"{1:5} {min(ranks, cores):>2} cores {tokens} {'':32} {one:7.3f}")
        continue
    guess = ""
    if link.endswith("gbit"):
        speed = float(link.removesuffix("gbit")) * 1e9 / 8
        guess = f"{predicted(*parameters(rounds[0]['config']), one, ranks, speed):10.3f}"
    print(f"{ranks:5} {link:>8} {tokens} {one / of['seconds']:6.0%} {of['sent'] / 1e6:8.1f} "
          f"{of['waited']:9.3f} {of['seconds']:7.3f} {guess}")
