#!/usr/bin/env bash
# Builds the wheel from the last commit, installs it in a fresh virtual environment, and uses it outside of the checkout.
# usage: tools/try-wheel.sh [PYTHON…]      interpreters to try, python3 by default, as in: python3.11 python3.14
#
# The wheel is left in dist/; WHEEL=FILE tries that one, and builds none. Dependencies are the newest ones that
# pyproject.toml allows, as a user gets them; LOCKED=1 takes the versions of requirements.lock. SANDBOX=process tries it
# where no sandbox works.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sandbox=${SANDBOX:-auto}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pythons=("$@")
[ $# -gt 0 ] || pythons=("${PYTHON:-python3}")
constraint=()
[ -z "${LOCKED:-}" ] || constraint=(--constraint "$PWD/requirements.lock")

# A copy of the commit: neither files that were not committed nor those of an earlier build get into the wheel.
build() {
  mkdir "$folder/source" "$folder/wheel"
  git archive HEAD | tar -x -C "$folder/source"
  "${pythons[0]}" -m venv "$folder/builder"
  "$folder/builder/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder/wheel" "$folder/source"
  mkdir -p dist
  wheel=dist/$(basename "$folder"/wheel/autotts-*.whl)
  cp "$folder"/wheel/autotts-*.whl "$wheel"
  echo "built $wheel, $(du -k "$wheel" | cut -f 1) kB"
}

wheel=${WHEEL:-}
[ -n "$wheel" ] || build
wheel=$(realpath "$wheel")

for python in "${pythons[@]}"; do
  echo "######## $("$python" --version)"
  rm -rf "$folder/venv" "$folder/work"
  "$python" -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "${constraint[@]}" "$wheel"
  mkdir "$folder/work"
  (
    cd "$folder/work"
    # Nothing of the checkout, of the caller's settings or of another installation is used.
    unset PYTHONPATH AUTOTTS_CONFIG
    autotts() { "$folder/venv/bin/autotts" "$@"; }
    autotts --version
    autotts doctor || [ "$sandbox" = process ]
    autotts grid list
    autotts init mine
    cd mine
    autotts evaluate my_controller.py sc --repeats 2 --sandbox "$sandbox" --quiet
    autotts discover --rounds 1 --candidates 2 --repeats 2 --sandbox "$sandbox" --out runs/first --quiet
    autotts report runs/first
    test -s runs/first/selected.py
    test -s runs/first/report.html
  )
done
