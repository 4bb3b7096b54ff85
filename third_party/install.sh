#!/bin/sh
# Installs what the build and the tests need (third_party/README.md says why), on Debian 12 or a relative with apt.
# Packages that are there already are left alone, and nothing asks for a password when nothing is missing.
# usage: sh third_party/install.sh [further packages...]
set -eu

packages="g++ cmake ninja-build ccache pkg-config git clang-format-14 ca-certificates
  zlib1g-dev libzstd-dev libxml2-dev
  libdnnl-dev libxgboost-dev libeigen3-dev libprotozero-dev libflatbuffers-dev flatbuffers-compiler libxxhash-dev
  libcli11-dev nlohmann-json3-dev libfmt-dev libgtest-dev libbenchmark-dev libonnx-testdata
  libonnx-dev libprotobuf-dev $*"

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
  echo "This is not a Debian system: install the libraries listed in third_party/README.md by hand." >&2
  exit 1
fi

installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

missing=
for package in $packages; do
  installed "$package" || missing="$missing $package"
done
llvm=
for version in 19 20 18 17 16; do
  if installed llvm-$version-dev; then llvm=$version; break; fi
done
[ -n "$missing" ] || [ -z "$llvm" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  if command -v sudo > /dev/null; then
    as_root=sudo
  else
    [ -n "$llvm" ] || missing="$missing llvm-19-dev"
    echo "Packages are missing, and neither root nor sudo is at hand. As root, run:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
fi

apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 "$@"
}

apt update
if [ -z "$llvm" ]; then
  for version in 19 20 18 17 16; do
    if apt-cache show llvm-$version-dev > /dev/null 2>&1; then llvm=$version; break; fi
  done
  if [ -z "$llvm" ]; then
    echo "No package of LLVM 16 to 20 is to be had from the sources in /etc/apt." >&2
    exit 1
  fi
  missing="$missing llvm-$llvm-dev"
fi
echo "Installing:$missing"
# shellcheck disable=SC2086
if ! apt install -y --no-install-recommends $missing; then
  echo "apt-get could not install all of:$missing" >&2
  exit 1
fi
