#!/usr/bin/env bash
# Serve the prepared model with llama.cpp over the OpenAI API, on this machine only, until interrupted.
#
# usage: serve.sh DIR [PORT]     DIR as given to prepare.sh; PORT 8098 unless said otherwise. Ready after a few seconds.
#
# --logits_all is what the package wants for log-probabilities, which probing needs. It answers one request at a time.
set -euo pipefail
dir=$(cd "$1" && pwd)
exec nice -n "${NICE:-5}" "$dir/llamacpp/bin/python" -m llama_cpp.server --model "$dir/gemma.gguf" --model_alias gemma \
  --host 127.0.0.1 --port "${2:-8098}" --n_ctx "${MAX_MODEL_LEN:-2048}" --n_threads "${THREADS:-$(nproc)}" \
  --logits_all true
