#!/usr/bin/env bash
# Serves the prepared model with llama.cpp over the OpenAI API, on the loopback only, until interrupted.
#
# usage: serve.sh DIR [PORT]     DIR as given to prepare.sh; PORT defaults to 8098. Ready after a few seconds.
#
# --logits_all makes the package return log-probabilities, which probing needs. It serves one request at a time.
set -euo pipefail
dir=$(cd "$1" && pwd)
exec nice -n "${NICE:-5}" "$dir/llamacpp/bin/python" -m llama_cpp.server --model "$dir/gemma.gguf" --model_alias gemma \
  --host 127.0.0.1 --port "${2:-8098}" --n_ctx "${MAX_MODEL_LEN:-2048}" --n_threads "${THREADS:-$(nproc)}" \
  --logits_all true
