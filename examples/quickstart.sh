#!/bin/sh
# Installs what is missing, builds libaltrt, and shows on one screen what it does with a model.
# usage: sh examples/quickstart.sh [MODEL.onnx]     without a file: a ResNet-18 with seeded weights, made here
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
model=${1:-}
case $model in
  -*) sed -n 's/^# \{0,1\}//; 2,3p' "$0" >&2; exit 2 ;;
esac
if [ -n "$model" ] && [ ! -f "$model" ]; then
  echo "quickstart: no file $model" >&2
  exit 1
fi
sh "$root/third_party/install.sh"
folder=$root/build
cmake -G Ninja -S "$root" -B "$folder" > "$root/build.log" 2>&1 || { cat "$root/build.log" >&2; exit 1; }
ninja -C "$folder" altrt_tool altrt_quickstart altrt_resnet18
if [ -z "$model" ]; then
  model=$folder/resnet18.onnx
  [ -f "$model" ] || "$folder/bin/altrt_resnet18" "$model"
fi
exec "$folder/bin/altrt_quickstart" "$model" 60
