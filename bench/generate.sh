#!/usr/bin/env bash
# Reading a prompt and writing on, Seodang beside llama.cpp, turn by turn on the
# same machine and the same files.
#   NODE_MODULES=DIR/node_modules [ROUNDS=5] [THREADS=2] bench/generate.sh FILE.gguf…
# Needs build/bench/generate (cmake --build build) and, in DIR, npm's
# node-llama-cpp, which carries llama.cpp built for this processor
# (npm install --prefix DIR node-llama-cpp). Without NODE_MODULES, and for a
# Hugging Face directory, only Seodang is timed. Prints medians over the rounds
# (lowest–highest), how many times llama.cpp's speed that is, and which part of
# what the machine can give: products of the model's dtype for reading, memory
# for writing, both measured in each round.
set -euo pipefail
if [[ $# -eq 0 || $1 == -* ]]; then
  sed -n '/^# /s/^# //p' "$0" >&2
  exit 2
fi
bench=$(dirname "$0") program=$(dirname "$0")/../build/bench/generate
rounds=${ROUNDS:-5} threads=${THREADS:-$(nproc)}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for file; do
  for ((i = 0; i < rounds; ++i)); do
    "$program" "$file" "$threads" | sed "s|^|seodang\t$file\t|" >>"$results"
    if [[ -n ${NODE_MODULES:-} && $file == *.gguf ]]; then
      node "$bench/generate.mjs" "$file" "$threads" | sed "s|^|llama.cpp\t$file\t|" >>"$results"
    fi
  done
done
/usr/bin/python3 - "$results" <<'PY'
import json, statistics, sys
rows = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])]
def values(who, file, key):
    return [json.loads(text)[key] for name, of, text in rows if (name, of) == (who, file)]
def show(numbers):
    if not numbers: return "-"
    digits = 0 if statistics.median(numbers) >= 100 else 1
    middle, low, high = (f"{n:.{digits}f}" for n in (statistics.median(numbers), min(numbers), max(numbers)))
    return f"{middle} ({low}–{high})"
for file in dict.fromkeys(of for _, of, _ in rows):
    one = lambda key: statistics.median(values("seodang", file, key))
    print(f"{file}\n  limits: {one('peak_gflops'):.0f} GFLOP/s in {json.loads(rows[0][2])['dtype']}, "
          f"{one('bandwidth_gb'):.1f} GB/s read")
    print(f"  {'tokens/s':22}{'seodang':>24}{'llama.cpp':>24}{'ratio':>8}{'of limit':>10}")
    for key, name in (("prefill_128", "read 128 tokens"), ("prefill_1024", "read 1024 tokens"),
                      ("decode", "write 64 tokens")):
        ours, theirs = values("seodang", file, key), values("llama.cpp", file, key)
        ratio = f"{statistics.median(ours) / statistics.median(theirs):.2f}" if theirs else "-"
        print(f"  {name:22}{show(ours):>24}{show(theirs):>24}{ratio:>8}{one(key + '_share'):>10.0%}")
PY
