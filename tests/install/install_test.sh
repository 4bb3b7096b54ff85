#!/bin/sh
# Installs the built library, moves the installed tree, and builds and runs a host program against it, once by
# find_package and once by pkg-config. Then looks at what the library shows and needs.
# usage: install_test.sh SOURCE BUILD
set -eu
source=$1 build=$2
work=$build/install-test
rm -rf "$work"
mkdir -p "$work"

cmake --install "$build" --prefix "$work/first" > "$work/install.log"
mv "$work/first" "$work/moved"
if grep -rl "$work/first" "$work/moved" --include='*.cmake' --include='*.pc'; then
  echo "these installed files name the folder they were installed to" >&2
  exit 1
fi
library=$(find "$work/moved" -name 'libaltrt.so')

cmake -G Ninja -S "$source/tests/install/consumer" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$work/moved" > "$work/configure.log"
cmake --build "$work/consumer" > "$work/build.log"
"$work/consumer/consumer" "$work/model.onnx"

for example in hello custom_op; do
  cmake -G Ninja -S "$source/examples/$example" -B "$work/$example" -DCMAKE_PREFIX_PATH="$work/moved" >> "$work/configure.log"
  cmake --build "$work/$example" >> "$work/build.log"
done
"$work/custom_op/custom_op" > "$work/custom_op.log"
XDG_CACHE_HOME=$work/cache "$work/hello/hello" "$work/model.onnx"

PKG_CONFIG_PATH=$(dirname "$(find "$work/moved" -name altrt.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046
c++ -std=c++20 "$source/tests/install/consumer/main.cc" -o "$work/by_pkg_config" $(pkg-config --cflags --libs altrt)
LD_LIBRARY_PATH=$(dirname "$library") "$work/by_pkg_config" "$work/model.onnx"

# The worker came along and is found where the tree is now.
"$work/moved/bin/altrt" tune "$work/model.onnx" --cache none --budget 4t --verbose > "$work/tune.log" 2>&1
if grep 'run in this process' "$work/tune.log" || ! grep -qE '[1-9][0-9]* trials in' "$work/tune.log"; then
  echo "altrt-worker was not used, or there was no tuning" >&2
  exit 1
fi

# Only namespace altrt (without its inner namespaces) and altrt_ can be seen.
strange=$(nm -D --defined-only "$library" | c++filt | cut -d' ' -f3- |
  grep -vE '^((typeinfo|typeinfo name|vtable|VTT|guard variable) for )?altrt::[^:]|^altrt_' || true)
strange="$strange$(nm -D --defined-only "$library" | c++filt | cut -d' ' -f3- |
  grep -E '^altrt::(base|jit|graph|ops|model|records|plan|tuner|session)::' || true)"
if [ -n "$strange" ]; then
  echo "exported, but neither public namespace altrt nor altrt_: $strange" >&2
  exit 1
fi
# A unique symbol is one for the whole process, whatever the visibility, and keeps its library from being unloaded.
for file in "$(dirname "$library")"/libaltrt*.so; do
  unique=$(readelf -sW --dyn-syms "$file" | grep -w UNIQUE || true)
  if [ -n "$unique" ]; then
    echo "$file has STB_GNU_UNIQUE symbols: $unique" >&2
    exit 1
  fi
done
plugin=$(dirname "$library")/libaltrt_onednn.so
if [ -f "$plugin" ]; then
  strange=$(nm -D --defined-only "$plugin" | cut -d' ' -f3- | grep -v '^altrt_' || true)
  if [ -n "$strange" ]; then
    echo "exported by the plug-in, but not altrt_: $strange" >&2
    exit 1
  fi
fi
if ldd "$library" | grep -E 'libgomp|OpenCL|dnnl|xgboost|cuda|nvrtc|LLVM|protobuf'; then
  echo "libaltrt.so must not need these libraries" >&2
  exit 1
fi
