#!/bin/sh
# Sets the project up for `make` on a machine with Python: a virtual environment .venv with the package, and bubblewrap.
# usage: tools/setup.sh run|dev      (dev: with the dependencies of tests and checks)
#
# A stamp in .venv records its inputs, so that a second call only compares them. System packages are installed as root,
# or through sudo if INSTALL=1 is set, and not otherwise. pip is called without index options, so that a mirror from the
# environment or from pip's files is used.
set -eu
cd "$(dirname "$0")/.."

level=${1:-}
case $level in
  run) target=. ;;
  dev) target='.[dev]' ;;
  *) echo "usage: tools/setup.sh run|dev" >&2 && exit 2 ;;
esac
venv=.venv
stamp=$venv/.autotts-setup

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  printf '\nsetup failed: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

# ---- system packages -------------------------------------------------------------------------------------------

may_install() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" = 0 ] || { [ "${INSTALL:-}" = 1 ] && command -v sudo >/dev/null; }
}

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

apt_get() { root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -qq "$@" >/dev/null; }

apt_install() {
  say "installing $1 with apt-get"
  # Package lists may be missing or out of date; the second attempt updates them.
  apt_get install -y --no-install-recommends "$1" 2>/dev/null && return
  apt_get update && apt_get install -y --no-install-recommends "$1"
}

apt_command() {
  if command -v sudo >/dev/null; then
    printf 'sudo apt-get update && sudo apt-get install -y %s' "$1"
  else
    printf "su -c 'apt-get update && apt-get install -y %s'" "$1"
  fi
}

# ---- Python ----------------------------------------------------------------------------------------------------

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

recent_enough() {
  case $1 in
    3.*) [ "${1#3.}" -ge 11 ] ;;
    *) return 1 ;;
  esac
}

find_python() {
  found=
  for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
    path=$(command -v "$name") || continue
    version=$(version_of "$path") || continue
    if recent_enough "$version"; then
      python=$path
      return
    fi
    found="$found${found:+, }$path is Python $version"
  done
  fail "Python 3.11 or later is needed; found: ${found:-none${PYTHON:+ at PYTHON=$PYTHON}}." \
    "Install one, or name it: make run PYTHON=/path/to/python3"
}

# Debian and Ubuntu have venv and ensurepip in a separate package.
need_venv_module() {
  missing=$("$python" -c 'import venv, ensurepip' 2>&1) && return
  case $(readlink -f "$python") in
    /usr/bin/*) package=python$version-venv ;;
    *) fail "$python cannot make virtual environments: $(printf '%s' "$missing" | tail -n 1)" \
      "Name another interpreter: make run PYTHON=/usr/bin/python3" ;;
  esac
  if may_install && apt_install "$package" && "$python" -c 'import venv, ensurepip' 2>/dev/null; then return; fi
  if ! command -v apt-get >/dev/null; then
    fail "$python cannot make virtual environments: its modules venv and ensurepip are missing." \
      "Install them with your system's package manager, then run make again."
  fi
  fail "$python cannot make virtual environments: its modules venv and ensurepip are missing. Type:" \
    "$(apt_command "$package")" "and run make again."
}

# ---- the virtual environment -----------------------------------------------------------------------------------

# The inputs of an environment. Its path is one, since a virtual environment cannot be moved.
fingerprint() { pwd && cksum pyproject.toml requirements.lock tools/setup.sh; }

# The stamp has the level, the requested interpreter ("" if none) and the fingerprint.
up_to_date() {
  [ -x $venv/bin/python ] && [ -f $stamp ] || return 1
  { IFS= read -r made && IFS= read -r made_from; } <$stamp
  # An environment for dev is good for run too; without a request, any interpreter is good.
  [ "$made" = "$level" ] || [ "$made" = dev ] || return 1
  [ "${PYTHON:-$made_from}" = "$made_from" ] || return 1
  [ "$(tail -n +3 $stamp)" = "$(fingerprint)" ]
}

usable() {
  version=$(version_of $venv/bin/python) && recent_enough "$version" || return 1
  $venv/bin/python -m pip --version >/dev/null 2>&1
}

make_venv() {
  rm -f $stamp
  if [ -n "${PYTHON:-}" ] || ! usable; then
    find_python
    need_venv_module
    say "making $venv with $python (Python $version)"
    "$python" -m venv --clear $venv || fail "$python -m venv --clear $venv did not work; its message is above."
  fi
  say "installing $target and its dependencies (about a minute)"
  # pip refuses PIP_USER in a virtual environment, so a user's setting is overridden. -qq prints errors only.
  PIP_USER=0 $venv/bin/python -m pip install -qq --disable-pip-version-check --no-input \
    --constraint requirements.lock --editable "$target" ||
    fail "pip could not install the package; its message is above." \
      "Behind a mirror or proxy, configure pip for it (pip.conf or PIP_ variables) and run make again."
  { echo "$level" && echo "${PYTHON:-}" && fingerprint; } >$stamp.new
  mv $stamp.new $stamp
}

# For the sandboxes that use it. If it cannot be installed, the run's own error says what to do.
need_bubblewrap() {
  case ${SANDBOX:-auto} in auto | bubblewrap) ;; *) return 0 ;; esac
  if command -v bwrap >/dev/null || ! may_install; then return 0; fi
  apt_install bubblewrap || say "bubblewrap could not be installed; continuing without it"
}

up_to_date || make_venv
need_bubblewrap
