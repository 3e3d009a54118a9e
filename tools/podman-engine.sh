#!/usr/bin/env bash
# Starts a private Podman service, to run the docker suite against the other engine with Docker's API.
# usage: tools/podman-engine.sh start DIR [BASE]    prints the DOCKER_HOST to export; needs root on Debian or Ubuntu
#        tools/podman-engine.sh stop DIR
#
# BASE is a tar of the image that tools/docker-engine.sh makes (`docker save autotts-base:bookworm`); without it the
# same root file system is made here. The service's data stay in DIR. It uses runc, since crun refuses hybrid cgroups,
# and ulimits of its own, since Podman's defaults exceed those of a container in a container.
set -euo pipefail

usage="usage: tools/podman-engine.sh start DIR [BASE] | stop DIR"
action=${1:?$usage}
mkdir -p "${2:?$usage}"
dir=$(cd "$2" && pwd)
socket=unix://$dir/podman.sock

install_packages() {
  local wanted=(podman runc conmon catatonit curl debootstrap)
  dpkg -s "${wanted[@]}" >/dev/null 2>&1 && return
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null 2>&1 && return
  apt-get update -qq >&2
  apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
}

engine() { CONTAINERS_CONF=$dir/containers.conf podman --root "$dir/data" --runroot "$dir/run" "$@"; }

running() { curl --silent --fail --max-time 5 --unix-socket "$dir/podman.sock" http://podman/_ping >/dev/null 2>&1; }

start_service() {
  running && return
  rm -f "$dir/podman.sock"
  cat >"$dir/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
CONF
  CONTAINERS_CONF=$dir/containers.conf setsid nohup podman --root "$dir/data" --runroot "$dir/run" \
    system service --time 0 "$socket" </dev/null >"$dir/podman.log" 2>&1 &
  echo $! >"$dir/podman.pid"
  for _ in $(seq 60); do
    running && return
    sleep 0.5
  done
  echo "the service did not answer within 30 s; the end of $dir/podman.log:" >&2
  tail -n 20 "$dir/podman.log" >&2
  return 1
}

import_base_image() {
  engine image exists autotts-base:bookworm && return
  if [ -n "${1:-}" ]; then
    engine load --quiet --input "$1" >/dev/null
    return
  fi
  local root
  root=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder's present name is to be removed
  trap "rm -rf '$root'" EXIT
  debootstrap --variant=minbase --include=python3 bookworm "$root" >"$dir/debootstrap.log"
  tar -C "$root" -c . | engine import --quiet - autotts-base:bookworm >/dev/null
}

stop_service() {
  [ -s "$dir/podman.pid" ] || return 0
  local pid
  pid=$(cat "$dir/podman.pid")
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 60); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.5
  done
  echo "the service (process $pid) did not stop within 30 s" >&2
  return 1
}

case $action in
  start)
    install_packages
    start_service
    import_base_image "${3:-}"
    echo "$socket"
    ;;
  stop) stop_service ;;
  *)
    echo "$usage" >&2
    exit 2
    ;;
esac
