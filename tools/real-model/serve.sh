#!/usr/bin/env bash
# Serve the prepared model over the OpenAI API, on this machine only, until interrupted.
#
# usage: serve.sh DIR [PORT]     DIR as given to prepare.sh; PORT 8099 unless said otherwise. Ready after about 50 s.
# MAX_MODEL_LEN is its context, 2048 tokens unless said otherwise; CHAT_TEMPLATE a file, for chat completions: the model
# is a base model, and has none of its own.
#
# The settings are those that work with two cores and 8 GB: the default share of memory (0.92) fails on a CPU, blocks of
# 16 tokens (this build makes 32 of it) and keeping all of them, also of layers with a sliding window, let most of a
# probe's prompt come from the prefix cache, and compiled graphs cost more than they save here.
set -euo pipefail
dir=$(cd "$1" && pwd)
port=${2:-8099}
cores=$(nproc)
export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
export VLLM_CPU_KVCACHE_SPACE=1
export VLLM_CPU_OMP_THREADS_BIND=${VLLM_CPU_OMP_THREADS_BIND:-0-$((cores - 1))}
export LD_PRELOAD="$dir/venv/lib/libiomp5.so"
exec nice -n "${NICE:-5}" "$dir/venv/bin/python" -m vllm.entrypoints.openai.api_server \
  --model "$dir/gemma-hf" --served-model-name gemma --host 127.0.0.1 --port "$port" \
  --dtype bfloat16 --max-model-len "${MAX_MODEL_LEN:-2048}" --enforce-eager --gpu-memory-utilization 0.4 \
  --max-num-seqs "${MAX_NUM_SEQS:-64}" --block-size 16 --enable-prefix-caching \
  --prefix-cache-retention-interval None --enable-prompt-tokens-details \
  ${CHAT_TEMPLATE:+--chat-template "$CHAT_TEMPLATE"}
