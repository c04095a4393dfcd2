#!/usr/bin/env bash
# Seodang's training step beside PyTorch's, turn by turn on the same machine.
#   bench/train_step.sh [bf16|f32] [rounds]
# Needs build/bench/train_step (cmake --build build) and Debian's python3-torch.
set -euo pipefail
cd "$(dirname "$0")/.."
dtype=${1:-bf16} rounds=${2:-5}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for ((i = 0; i < rounds; ++i)); do
  build/bench/train_step "$dtype" 5 | sed 's/^/seodang /' >>"$results"
  /usr/bin/python3 bench/train_step.py "$dtype" 3 | sed 's/^/pytorch /' >>"$results"
done
/usr/bin/python3 - "$results" <<'PY'
import json, statistics, sys
rows = [line.split(" ", 1) for line in open(sys.argv[1])]
pick = lambda who, key: [json.loads(text)[key] for name, text in rows if name == who]
ours, theirs = pick("seodang", "tokens_per_second"), pick("pytorch", "tokens_per_second")
flops, peak = pick("seodang", "gflops"), pick("seodang", "peak_gflops")
print(f"{'':10}{'median':>10}{'lowest':>10}{'highest':>10}  tokens/s")
for name, values in ("seodang", ours), ("pytorch", theirs):
    print(f"{name:10}{statistics.median(values):10.0f}{min(values):10}{max(values):10}")
print(f"ratio {statistics.median(ours) / statistics.median(theirs):.2f}; "
      f"{statistics.median(flops):.0f} of {max(peak):.0f} GFLOP/s "
      f"({100 * statistics.median(flops) / max(peak):.0f}% of the measured peak)")
PY
