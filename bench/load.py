#!/usr/bin/env python3
"""How soon a model writes and how much memory it takes, of the program itself.
    bench/load.py [--rounds 5] [--tokens 64] [--program build/seodang] MODEL…
MODEL is a Hugging Face directory or a .gguf file. `seodang generate` runs once, so
that the file is in the page cache, and then --rounds times. Printed are medians:
  first   from the start of the process to its end, with one new token
  load    the same less the time that reading the prompt takes
  peak    most resident memory with --tokens new tokens; the pages of the mapped
          file are in it
  ratio   peak / (files of weights + kv_cache), at most 1.15
Exits with 1 when a ratio is above 1.15 or a load takes 2 s or more."""
import argparse, json, os, pathlib, statistics, subprocess, sys, tempfile, time

PROMPT = "The capital of"
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("models", nargs="+", metavar="MODEL", type=pathlib.Path)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--tokens", type=int, default=64)
parser.add_argument("--program", default=pathlib.Path(__file__).parent.parent / "build/seodang")
args = parser.parse_args()


def run(model, tokens):
    """Seconds, those until the prompt is read, most bytes, tokens in the kv_cache."""
    with tempfile.TemporaryFile() as out:
        begin = time.perf_counter()
        process = subprocess.Popen([args.program, "generate", model, PROMPT, "--json", "--top", "0",
                                    "--max-tokens", str(tokens)], stdout=out)
        _, status, resources = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        if status:
            sys.exit(f"{model}: seodang generate failed")
        out.seek(0)
        usage = json.load(out)["usage"]
    return (seconds, seconds - usage["prompt_tokens"] / usage["prompt_per_second"],
            resources.ru_maxrss * 1024, usage["prompt_tokens"] + usage["completion_tokens"])


def weights_bytes(model):
    files = model.glob("*.safetensors") if model.is_dir() else [model]
    return sum(file.stat().st_size for file in files)


def kv_cache_bytes(model, tokens):
    """Its numbers are bf16 where products are."""
    said = json.loads(subprocess.check_output([args.program, "inspect", model, "--json"]))
    context = min(said["context_length"], 8192)  # the one that inspect counts
    return said["memory"]["as_is"]["kv_cache"] / context * tokens


def medians(model, tokens):
    return map(statistics.median, zip(*(run(model, tokens) for _ in range(args.rounds))))


good = True
print(f"{'model':32}{'files':>10}{'load':>9}{'first':>9}{'peak':>10}{'ratio':>8}")
for model in args.models:
    run(model, 1)
    first, load, _, _ = medians(model, 1)
    _, _, peak, tokens = medians(model, args.tokens)
    size = weights_bytes(model)
    ratio = peak / (size + kv_cache_bytes(model, tokens))
    good &= ratio <= 1.15 and load < 2
    print(f"{model.name:32}{size / 1e9:7.3f} GB{load:7.2f} s{first:7.2f} s{peak / 1e9:7.3f} GB{ratio:8.3f}",
          flush=True)
sys.exit(not good)
