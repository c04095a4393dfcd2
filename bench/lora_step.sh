#!/usr/bin/env bash
# Seodang's LoRA step over MODEL (bench/make_model: 1.24B) beside PyTorch's of the
# same shape, turn by turn on the same machine.
#   bench/lora_step.sh MODEL [rounds] [recompute]
# Needs build/bench/lora_step (cmake --build build) and Debian's python3-torch.
set -euo pipefail
cd "$(dirname "$0")/.."
model=$1 rounds=${2:-3} recompute=${3:-}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for ((i = 0; i < rounds; ++i)); do
  build/bench/lora_step "$model" 3 $recompute | sed 's/^/seodang /' >>"$results"
  /usr/bin/python3 bench/lora_step.py 2 | sed 's/^/pytorch /' >>"$results"
done
/usr/bin/python3 - "$results" <<'PY'
import json, statistics, sys
rows = [line.split(" ", 1) for line in open(sys.argv[1])]
pick = lambda who, key: [json.loads(text)[key] for name, text in rows if name == who]
print(f"{'':10}{'median':>10}{'lowest':>10}{'highest':>10}  tokens/s{'peak memory':>14}")
for name in "seodang", "pytorch":
    values, memory = pick(name, "tokens_per_second"), max(pick(name, "peak_bytes"))
    print(f"{name:10}{statistics.median(values):10.1f}{min(values):10.1f}{max(values):10.1f}{'':10}{memory / 1e9:11.2f} GB")
ours, theirs = pick("seodang", "tokens_per_second"), pick("pytorch", "tokens_per_second")
weights = pick("seodang", "weights_bytes")[0]
flops, peak = pick("seodang", "gflops"), pick("seodang", "peak_gflops")
print(f"ratio {statistics.median(ours) / statistics.median(theirs):.2f}; peak memory is "
      f"{max(pick('seodang', 'peak_bytes')) / weights:.2f} of the weights' {weights / 1e9:.2f} GB; {statistics.median(flops):.0f} of {max(peak):.0f} GFLOP/s "
      f"({100 * statistics.median(flops) / max(peak):.0f}% of the measured peak)")
PY
