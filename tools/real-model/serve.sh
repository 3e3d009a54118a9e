#!/usr/bin/env bash
# Serves the prepared model with vLLM over the OpenAI API, on the loopback only, until interrupted.
#
# usage: serve.sh DIR [PORT]     DIR as given to prepare.sh; PORT defaults to 8099. Ready after about 50 s.
# DETAILS= leaves the cached tokens out of replies, so that probes of one call share requests (docs/live.md).
# MAX_MODEL_LEN is the context in tokens, by default 2048. CHAT_TEMPLATE is a file for chat completions, since a base
# model has no template. DTYPE is the type that is computed in: by default bfloat16 where the processor has instructions
# for it, else float32 (where they are missing, a product of matrices in bfloat16 took five times as long).
#
# The settings are for two cores and 8 GB. The default share of memory (0.92) fails on a CPU. Blocks of 16 tokens (32 in
# this build), all of them kept, also those of layers with a sliding window, let most of a probe's prompt come from the
# prefix cache. Compiled graphs cost more than they save here.
set -euo pipefail
dir=$(cd "$1" && pwd)
port=${2:-8099}
cores=$(nproc)
export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
export VLLM_CPU_KVCACHE_SPACE=1
export VLLM_CPU_OMP_THREADS_BIND=${VLLM_CPU_OMP_THREADS_BIND:-0-$((cores - 1))}
if [ -z "${DTYPE:-}" ]; then
  if grep -qwE 'avx512_bf16|amx_bf16' /proc/cpuinfo; then DTYPE=bfloat16; else DTYPE=float32; fi
fi
details=(--enable-prompt-tokens-details)
[ -n "${DETAILS-yes}" ] || details=()
export LD_PRELOAD="$dir/venv/lib/libiomp5.so"
exec nice -n "${NICE:-5}" "$dir/venv/bin/python" -m vllm.entrypoints.openai.api_server \
  --model "$dir/gemma-hf" --served-model-name gemma --host 127.0.0.1 --port "$port" \
  --dtype "$DTYPE" --max-model-len "${MAX_MODEL_LEN:-2048}" --enforce-eager --gpu-memory-utilization 0.4 \
  --max-num-seqs "${MAX_NUM_SEQS:-64}" --block-size 16 --enable-prefix-caching \
  --prefix-cache-retention-interval None "${details[@]}" \
  ${CHAT_TEMPLATE:+--chat-template "$CHAT_TEMPLATE"}
