#!/usr/bin/env bash
# Collects the two bundled grids from their model.
#
# usage: tools/collect-bundled.sh [OUT_DIR]     OUT_DIR defaults to envdata/bundled
#
# Prepares the model and a CPU build of vLLM in $AUTOTTS_REAL_MODEL (default: ~/.cache/autotts/real-model; 3 GB, once),
# serves the model, collects the search and the held-out set, and stops the server. About 40 minutes on two cores. After
# an interruption the same command continues. An existing grid is kept: delete it to collect it again.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$repository/envdata/bundled}
model=${AUTOTTS_REAL_MODEL:-$HOME/.cache/autotts/real-model}
port=${PORT:-8099}
autotts=${AUTOTTS:-$repository/.venv/bin/autotts}

# Questions 0 to 47 and 48 to 95 of one seed: the sets have no pair of numbers in common (collect/word_problems.py).
missing=()
for set in search:0 heldout:48; do
  grid=$out/word-problems-${set%:*}.parquet
  if [ -e "$grid" ] && [ ! -e "$grid.parts" ]; then
    echo "$grid exists and is kept" >&2
  else
    missing+=("$set")
  fi
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if curl --silent --output /dev/null "http://127.0.0.1:$port"; then
  echo "port $port is in use by another server; choose one with PORT=…" >&2
  exit 1
fi
"$repository/tools/real-model/prepare.sh" "$model"
mkdir -p "$out"
"$repository/tools/real-model/serve.sh" "$model" "$port" > "$model/serve.log" 2>&1 &
server=$!
trap 'kill "$server" 2> /dev/null || true; wait "$server" 2> /dev/null || true' EXIT
echo "waiting for the server (its log: $model/serve.log)" >&2
until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/v1/models"; do
  kill -0 "$server" 2> /dev/null || { echo "the server ended; see $model/serve.log" >&2; exit 1; }
  sleep 2
done

for set in "${missing[@]}"; do
  "$autotts" grid collect --server "http://127.0.0.1:$port/v1" --model gemma \
    --description "Gemma 3 270M, base model, Q4_K_M weights dequantised to bfloat16" \
    --questions "word-problems?count=48&seed=1&skip=${set#*:}" --branches 64 --interval 5 \
    --temperature 0.9 --max-tokens 85 --stop '\n\n' --stop '\nProblem' --closing '\nAnswer:' --answers number --probe-tokens 6 \
    --seed 1 \
    --weights "$model/gemma.gguf" --weights "$model/gemma-hf/model.safetensors" \
    --out "$out/word-problems-${set%:*}.parquet"
done
