#!/usr/bin/env bash
# Makes machines with nothing but Python, git and make, to test that the project sets itself up. A machine is this one's
# distribution from debootstrap, or with FRESH_RELEASE=NAME another one, entered with pivot_root and namespaces, so
# that sandboxes work in it (in a chroot the kernel refuses user namespaces). Needs root on Debian or Ubuntu.
#
# usage: tools/fresh-machine.sh make DIR                       the bare root file system, DIR/root; kept between calls
#        tools/fresh-machine.sh new DIR MACHINE USER           a copy of it, with this project in /srv/autotts, USER's
#        tools/fresh-machine.sh in DIR MACHINE USER COMMAND…   run a command there, in the project, as root or tester
#        tools/fresh-machine.sh remove DIR MACHINE
#
# A machine has this one's network and its configuration of package downloads: apt's and pip's files, certificates,
# proxy and PIP_ variables. Downloads of pip are cached in DIR, for each user.
set -euo pipefail

usage=$(sed -n 's/^# usage: /usage: /p; s/^#        tools/       tools/p' "$0")
[ $# -ge 2 ] || { echo "$usage" >&2 && exit 2; }
action=$1 dir=$2
shift 2
project=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
base=$dir/root
# shellcheck source=/dev/null
release=${FRESH_RELEASE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}

make_root() {
  [ -e "$dir/root.done" ] && return
  command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap >/dev/null ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap >/dev/null; }
  rm -rf "$base"
  if ! debootstrap --variant=minbase --include=python3,git,make,ca-certificates "$release" "$base" \
    >"$dir/debootstrap.log"; then
    tail -n 20 "$dir/debootstrap.log" >&2
    exit 1
  fi
  chroot "$base" useradd --create-home --shell /bin/bash tester
  rm -rf "$base"/var/cache/apt/archives/*.deb "$base"/var/lib/apt/lists/*
  touch "$dir/root.done"
}

# ---- configuration of downloads on this machine --------------------------------------------------------------------

system_pip_files=(/etc/pip.conf /etc/xdg/pip/pip.conf)
user_pip_files=(.config/pip/pip.conf .pip/pip.conf)

download_variables() {
  env -0 | grep -ziE '^(PIP_|SSL_CERT_|REQUESTS_CA_BUNDLE=|CURL_CA_BUNDLE=|(https?|no|all)_proxy=)' || true
}

# Prints the files and folders that pip's configuration and the variables name; for a local index, its folder.
named_paths() {
  {
    cat "${system_pip_files[@]}" "${user_pip_files[@]/#/$HOME/}" "${PIP_CONFIG_FILE:-/dev/null}" 2>/dev/null || true
    printf '%s\n' "${PIP_CONFIG_FILE:-}"
    download_variables | tr '\0' '\n'
  } | grep -oE '(file:/)?/[^ ,:=]+' | while read -r path; do
    case $path in
      file:*) path=${path#file://} && path=${path%/*} ;;
    esac
    case $path in
      /?*/?*) if [ -e "$path" ]; then echo "$path"; fi ;;
    esac
  done | sort -u
}

copy_configuration() {
  local root=$1 home=$2 file
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  # Another release keeps the source that debootstrap wrote.
  if [ -z "${FRESH_RELEASE:-}" ]; then
    rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d
    for file in /etc/apt/{sources.list,sources.list.d,trusted.gpg.d,keyrings} /usr/share/keyrings; do
      if [ -e "$file" ]; then cp -aLT "$file" "$root$file"; fi
    done
  fi
  for file in /etc/apt/{apt.conf,auth.conf.d}; do
    if [ -e "$file" ]; then cp -aLT "$file" "$root$file"; fi
  done
  for file in $(grep -rlE '^Acquire::' /etc/apt/apt.conf.d || true); do cp -L "$file" "$root$file"; done
  for file in "${system_pip_files[@]}"; do
    if [ -f "$file" ]; then install -D -m 644 "$file" "$root$file"; fi
  done
  for file in "${user_pip_files[@]}"; do
    if [ -f "$HOME/$file" ]; then install -D -m 644 "$HOME/$file" "$root$home/$file"; fi
  done
}

# ---- machines -----------------------------------------------------------------------------------------------------

new_machine() {
  local machine=$dir/machines/$1 user=$2 home
  rm -rf "$machine"
  mkdir -p "$dir/machines"
  cp -a --reflink=auto "$base" "$machine"
  home=$(home_of "$user")
  copy_configuration "$machine" "$home"
  mkdir -p "$machine/srv/autotts"
  (cd "$project" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -cf - -T -) |
    tar -C "$machine/srv/autotts" -xf -
  chroot "$machine" chown -R "$user:" "$home" /srv/autotts
}

home_of() { if [ "$1" = root ]; then echo /root; else echo "/home/$1"; fi; }

in_machine() {
  local machine=$dir/machines/$1 user=$2 variables shared
  shift 2
  [ -d "$machine" ] || { echo "no machine $machine; make it with: $0 new DIR MACHINE USER" >&2 && exit 2; }
  mapfile -d '' -t variables < <(download_variables)
  mapfile -t shared < <(named_paths)
  mkdir -p "$dir/pip-$user"
  # The function is passed as text, since the namespaces begin with a new process.
  exec unshare --mount --pid --fork --kill-child --propagation private \
    bash -c "$(declare -f enter); enter \"\$@\"" enter "$machine" "$user" "$dir/pip-$user" \
    "${#shared[@]}" "${shared[@]}" \
    env -i "${variables[@]}" PIP_CACHE_DIR=/var/cache/pip HOME="$(home_of "$user")" USER="$user" LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --reuid "$user" --regid "$user" --init-groups bash -c 'cd /srv/autotts && exec "$@"' bash "$@"
}

# Runs in the new namespaces as root: mounts the machine's file systems, makes it the root, and starts the command.
enter() {
  set -e
  local machine=$1 user=$2 cache=$3 count=$4 path
  shift 4
  mount --bind "$machine" "$machine"
  cd "$machine"
  mount -t proc proc proc
  mount --rbind /dev dev
  mount --rbind /sys sys
  mount -t tmpfs -o mode=1777 tmpfs tmp
  mkdir -p var/cache/pip .outside
  mount --bind "$cache" var/cache/pip
  for path in "${@:1:count}"; do
    if [ -d "$path" ]; then
      mkdir -p ".$path"
    elif ! [ -e ".$path" ]; then
      mkdir -p ".${path%/*}"
      touch ".$path"
    fi
    mount --bind -o ro "$path" ".$path"
  done
  shift "$count"
  pivot_root . .outside
  umount -l .outside
  rmdir .outside
  chown "$user:" /var/cache/pip
  exec "$@"
}

case $action in
  make) make_root ;;
  new) new_machine "${1:?$usage}" "${2:?$usage}" ;;
  in) in_machine "$@" ;;
  remove) rm -rf "$dir/machines/${1:?$usage}" ;;
  *)
    echo "$usage" >&2
    exit 2
    ;;
esac
