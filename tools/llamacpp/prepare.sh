#!/usr/bin/env bash
# llama.cpp's server (llama-cpp-python) for the model of tools/real-model, on a machine with a C++ compiler.
#
# usage: prepare.sh DIR     DIR as given to tools/real-model/prepare.sh, of which gemma.gguf is needed; makes DIR/llamacpp,
#                           a virtual environment, and does nothing when that is done already
#
# The package comes as source. What it can do with pictures is left out, which saves time; about 5 minutes on two cores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.11}
cd "$1"
[ -f gemma.gguf ] || { echo "$PWD/gemma.gguf is missing; run tools/real-model/prepare.sh first" >&2; exit 1; }
if [ ! -x llamacpp/bin/python ] || ! llamacpp/bin/python -c 'import llama_cpp.server.app' 2> /dev/null; then
  command -v c++ > /dev/null || { echo "no C++ compiler is installed (Debian: apt-get install g++)" >&2; exit 1; }
  rm -rf llamacpp
  "$python" -m venv llamacpp
  CMAKE_ARGS="-DLLAVA_BUILD=OFF" CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)} \
    llamacpp/bin/pip install --quiet --no-cache-dir --disable-pip-version-check -r "$here/requirements.lock"
fi
echo "ready: $PWD/llamacpp" >&2
