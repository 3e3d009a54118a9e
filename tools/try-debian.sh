#!/usr/bin/env bash
# Tries the wheel of the last commit with the Python of other releases of Debian, each in a bare root file system.
# usage: tools/try-debian.sh DIR RELEASE…      as in: tools/try-debian.sh ~/.cache/autotts/debian trixie sid
#
# The root file systems are kept in DIR. ARGS="tests/envdata -n 2" runs these tests there too, in a copy of the working
# tree with the versions of requirements.lock. Needs root, and debootstrap.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -ge 2 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2 && exit 2; }
dir=$1
shift

tools/try-wheel.sh
wheel=dist/autotts-$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)-py3-none-any.whl
for release in "$@"; do
  machine() { FRESH_RELEASE=$release tools/fresh-machine.sh "$1" "$dir/$release" "${@:2}"; }
  echo "######## $release"
  machine make
  machine new wheel root
  trap 'machine remove wheel' EXIT
  install -D "$wheel" "$dir/$release/machines/wheel/srv/autotts/$wheel"
  packages="apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv bubblewrap >/dev/null"
  machine in wheel root bash -c "$packages && WHEEL=$wheel tools/try-wheel.sh"
  [ -z "${ARGS:-}" ] || machine in wheel root make test "ARGS=$ARGS"
  machine remove wheel
  trap - EXIT
done
