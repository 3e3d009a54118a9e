#!/usr/bin/env bash
# Starts a private Docker engine for the docker suite on a machine without one, and makes a base image without a
# registry.
# usage: tools/docker-engine.sh start DIR     prints the DOCKER_HOST to export; needs root on Debian or Ubuntu
#        tools/docker-engine.sh stop DIR
#
# The engine listens on DIR/docker.sock only. It has no bridge and changes no firewall rule, since sandboxes use no
# network. Its data stay in DIR, so that a later start has its images.
set -euo pipefail

usage="usage: tools/docker-engine.sh start|stop DIR"
action=${1:?$usage}
mkdir -p "${2:?$usage}"
dir=$(cd "$2" && pwd)
export DOCKER_HOST=unix://$dir/docker.sock

install_packages() {
  command -v dockerd >/dev/null && command -v debootstrap >/dev/null && return
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends docker.io debootstrap >/dev/null 2>&1 && return
  apt-get update -qq >&2
  apt-get install -y -qq --no-install-recommends docker.io debootstrap >/dev/null
}

running() { docker info >/dev/null 2>&1; }

start_engine() {
  running && return
  rm -f "$dir/dockerd.pid"
  setsid nohup dockerd --data-root "$dir/data" --exec-root "$dir/exec" --host "$DOCKER_HOST" \
    --pidfile "$dir/dockerd.pid" --iptables=false --ip6tables=false --bridge=none --ip-forward=false \
    </dev/null >"$dir/dockerd.log" 2>&1 &
  for _ in $(seq 120); do
    running && return
    sleep 0.5
  done
  echo "the engine did not answer within 60 s; the end of $dir/dockerd.log:" >&2
  tail -n 20 "$dir/dockerd.log" >&2
  return 1
}

# Imports Debian with Python as an image for a Dockerfile's FROM.
import_base_image() {
  docker image inspect autotts-base:bookworm >/dev/null 2>&1 && return
  local root
  root=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder's present name is to be removed
  trap "rm -rf '$root'" EXIT
  debootstrap --variant=minbase --include=python3 bookworm "$root" >"$dir/debootstrap.log"
  tar -C "$root" -c . | docker import - autotts-base:bookworm >/dev/null
}

stop_engine() {
  [ -s "$dir/dockerd.pid" ] || return 0
  local pid
  pid=$(cat "$dir/dockerd.pid")
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 60); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.5
  done
  echo "the engine (process $pid) did not stop within 30 s" >&2
  return 1
}

case $action in
  start)
    install_packages
    start_engine
    import_base_image
    echo "$DOCKER_HOST"
    ;;
  stop) stop_engine ;;
  *)
    echo "$usage" >&2
    exit 2
    ;;
esac
