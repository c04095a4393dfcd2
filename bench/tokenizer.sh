#!/usr/bin/env bash
# Seodang's encode beside Hugging Face's tokenizers, turn by turn.
#   NODE_MODULES=DIR/node_modules bench/tokenizer.sh DIRECTORY FILE [THREADS] [ROUNDS]
# DIRECTORY has a tokenizer.json; each line of FILE is a text. Needs
# build/bench/tokenizer (cmake --build build) and npm's tokenizers.
set -euo pipefail
cd "$(dirname "$0")/.."
directory=$1 file=$2 threads=${3:-1} rounds=${4:-5}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for ((i = 0; i < rounds; ++i)); do
  build/bench/tokenizer "$directory" "$file" "$threads" | sed 's/^/seodang /' >>"$results"
  RAYON_NUM_THREADS=$threads node bench/tokenizer.mjs "$directory" "$file" |
    sed 's/^/tokenizers /' >>"$results"
done
python3 - "$results" <<'PY'
import json, statistics, sys
rows = [line.split(" ", 1) for line in open(sys.argv[1])]
of = lambda who: [json.loads(text) for name, text in rows if name == who]
speeds = {who: [row["megabytes_per_second"] for row in of(who)] for who in ("seodang", "tokenizers")}
for who, values in speeds.items():
    print(f"{who:12}{statistics.median(values):8.1f} MB/s ({min(values)} to {max(values)})")
same = len({(row["tokens"], row["hash"]) for who in speeds for row in of(who)}) == 1
print(f"ratio {statistics.median(speeds['seodang']) / statistics.median(speeds['tokenizers']):.2f}, "
      f"{'the same ids' if same else 'OTHER IDS'}, {of('seodang')[0]['tokens']} tokens")
PY
