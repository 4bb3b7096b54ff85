#!/bin/sh
# Runs the README's two commands in a minimal Debian 12 root with nothing else installed by hand: debootstrap's minbase
# and a clone of this checkout's last commit. Needs root, debootstrap, git, util-linux and Debian's packages.
#
#   sh tests/install/debootstrap.sh FOLDER [CCACHE]
#
# FOLDER lies outside the tree and must be absent or empty; the root is left in FOLDER/root and the commands' output in
# FOLDER/*.log. CCACHE is a ccache folder of the host's that the builds inside use (default: none, all is compiled).
# ALTRT_DEBIAN_MIRROR names the mirror (default http://deb.debian.org/debian). Of the host's settings the root gets
# resolv.conf, hosts, and apt's proxies and checks of dates. Prints a line a command, then PASS or FAIL (exit 1).
#
# Mounts and processes live in namespaces of their own, so none outlives the script, however it ends.
set -eu

usage() {
  sed -n 's/^# \{0,1\}//; 2,11p' "$0" >&2
  exit 2
}

# In the namespaces: mounts, then the commands one by one.
run_inside() {
  root=$1 ccache=$2 logs=$3
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  set -- HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb
  if [ -n "$ccache" ]; then
    mkdir -p "$root/ccache"
    mount --bind "$ccache" "$root/ccache"
    set -- "$@" CCACHE_DIR=/ccache CCACHE_BASEDIR=/root CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=20G
  fi
  failures=0
  for command in examples/quickstart.sh tests/run.sh; do
    log=$logs/$(basename "$(dirname "$command")").log
    start=$(date +%s)
    status=0
    env -i "$@" chroot "$root" sh -c 'cd /root/libaltrt && exec sh "$0"' "$command" > "$log" 2>&1 || status=$?
    [ "$status" = 0 ] && verdict=PASS || { verdict="FAIL (exit $status)" failures=$((failures + 1)); tail -n 40 "$log"; }
    echo "sh $command: $verdict, $(($(date +%s) - start)) s ($log)"
  done
  grep -E 'tests passed|tests failed' "$logs/tests.log" || failures=$((failures + 1))
  return $((failures > 0))
}

if [ "${1:-}" = --inside ]; then
  shift
  run_inside "$@"
  exit
fi

[ $# = 1 ] || [ $# = 2 ] || usage
source=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
case $folder/ in
  "$source"/*) echo "$folder lies in the tree that is to be tested" >&2; exit 2 ;;
esac
[ -z "$(ls -A "$folder")" ] || { echo "$folder is not empty" >&2; exit 2; }
ccache=
[ -z "${2:-}" ] || ccache=$(cd "$2" && pwd)
[ "$(id -u)" = 0 ] || { echo "debootstrap and chroot need root" >&2; exit 2; }
command -v debootstrap > /dev/null || { echo "debootstrap is not installed" >&2; exit 2; }

root=$folder/root
start=$(date +%s)
debootstrap --variant=minbase bookworm "$root" "${ALTRT_DEBIAN_MIRROR:-http://deb.debian.org/debian}" \
  > "$folder/debootstrap.log" 2>&1 || { tail -n 20 "$folder/debootstrap.log" >&2; echo FAIL; exit 1; }
echo "debootstrap: $(($(date +%s) - start)) s, $(du -sm "$root" | cut -f1) MB"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries)' > "$root/etc/apt/apt.conf.d/99host" || true
git clone --quiet --no-hardlinks "$source" "$root/root/libaltrt"
echo "libaltrt: commit $(git -C "$root/root/libaltrt" rev-parse --short=12 HEAD)"

unshare --mount --pid --fork --kill-child --propagation private \
  sh "$0" --inside "$root" "$ccache" "$folder" < /dev/null &
inside=$!
trap 'kill -KILL $inside; echo "FAIL: interrupted"; exit 1' HUP INT TERM # unshare itself holds these signals back
if wait $inside; then
  echo PASS
else
  echo FAIL
  exit 1
fi
