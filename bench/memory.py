#!/usr/bin/env python3
"""What training takes beside what was predicted before it began.

    bench/memory.py DATA TOKENIZER [MODEL EXAMPLES.jsonl]

DATA is what `seodang data` wrote, TOKENIZER its tokenizer, MODEL a directory or
.gguf file that learns the examples as well. Two steps of each setting; prints the most
resident memory of the process, and the prediction (docs/training.md, "Memory").
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
data, tokenizer, *tuned = sys.argv[1:]
os.environ |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def measure(name, command, ranks=1):
    with tempfile.TemporaryDirectory() as output:
        words = [str(root / "build/seodang"), *command.split(), "-o", output, "--steps", "2",
                 "--validate-every", "0", "--sample-every", "0", "--checkpoint-every", "1"]
        if ranks > 1:
            words = ["mpirun", "--oversubscribe", "-n", str(ranks), *words]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        with open(f"{output}/training.json") as file:
            training = json.load(file)
    predicted, peak = training["predicted_memory"] / 1e9, training["peak_memory"] / 1e9
    print(f"{name:44} {predicted:7.2f} GB {peak:7.2f} GB {predicted / peak - 1:+7.1%}", flush=True)


print(f"{'':44} {'predicted':>10} {'measured':>10}")
pretrain = f"pretrain --data {data} --tokenizer {tokenizer} --size medium --context 1024"
for precision in ("f32", "bf16"):
    for more in ("", " --recompute", " --optimizer muon", " --batch-tokens 16384"):
        measure(f"medium {precision}{more}", f"{pretrain} --precision {precision}{more}")
measure("medium bf16, 2 ranks, the root", f"{pretrain} --precision bf16", 2)
measure("medium bf16, 4 ranks, the root", f"{pretrain} --precision bf16", 4)
if tuned:
    instruct = f"instruct {tuned[0]} {tuned[1]} --replay 0 --batch-tokens 1024 --context 512"
    for more in ("--lora", "--lora --recompute", "--lora --rank 64 --token-rows examples"):
        measure(f"tuned {more}", f"{instruct} {more}")
