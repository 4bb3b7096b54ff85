#!/bin/sh
# Finds NVRTC for tests on a machine without NVIDIA's toolkit: where none can be opened, Python's package index has it
# as a wheel. Prints the library's path, to be handed on as ALTRT_NVRTC, or nothing where the system's search finds it.
# Without Python, pip or a network it says so and fails; tests that need NVRTC are skipped then.
# usage: sh third_party/nvrtc.sh [FOLDER]      the wheel is kept in FOLDER (build/nvrtc)
set -u
folder=${1:-$(dirname "$0")/../build/nvrtc}

if [ -n "${ALTRT_NVRTC:-}" ]; then
  printf '%s\n' "$ALTRT_NVRTC"
  exit 0
fi
if ! command -v python3 > /dev/null; then
  echo "NVRTC: no python3 to look for it" >&2
  exit 1
fi

opens() {
  python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2> /dev/null
}
unpacked() {
  find "$folder" -name 'libnvrtc.so.*' 2> /dev/null | sort | tail -n 1
}

for name in libnvrtc.so.13 libnvrtc.so.12 libnvrtc.so.11.2 libnvrtc.so; do
  opens $name && exit 0
done
library=$(unpacked)
if [ -z "$library" ]; then
  # Code of CUDA 12's compiler runs on more drivers than that of 13's.
  for package in nvidia-cuda-nvrtc-cu12 nvidia-cuda-nvrtc; do
    mkdir -p "$folder"
    python3 -m pip --quiet --disable-pip-version-check download --no-deps --only-binary=:all: --dest "$folder" \
      $package >&2 || continue
    for wheel in "$folder"/*.whl; do
      python3 -m zipfile -e "$wheel" "$folder" && rm "$wheel"
    done
    break
  done
  library=$(unpacked)
fi
if [ -n "$library" ] && opens "$library"; then
  (cd "$(dirname "$library")" && printf '%s/%s\n' "$(pwd)" "$(basename "$library")")
  exit 0
fi
echo "NVRTC: neither installed nor to be downloaded" >&2
exit 1
