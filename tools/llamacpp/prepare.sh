#!/usr/bin/env bash
# Builds llama.cpp's server (llama-cpp-python) for the model of tools/real-model; needs a C++ compiler.
#
# usage: prepare.sh DIR     DIR as given to tools/real-model/prepare.sh, with gemma.gguf; makes the virtual environment
#                           DIR/llamacpp, unless it exists
#
# The package is compiled without its support for images, to save time: about 5 minutes on two cores.
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
