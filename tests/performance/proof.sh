#!/bin/sh
# Builds and runs the proof of the compiler's middle and writes tests/performance/PROOF.md.
# usage: sh tests/performance/proof.sh [BUILD-FOLDER]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$root/build}
cmake -G Ninja -S "$root" -B "$folder" > /dev/null
ninja -C "$folder" altrt_proof > /dev/null
out=$root/tests/performance/PROOF.md
{
  cat <<'EOF'
# Proof of the middle

Five Computations with layouts and schedules written by hand (`proof_cases.cc`), through the general path: layout and loop
primitives, lowering, LLVM. One thread; the peak of fused multiply-adds is measured in the same run. GFLOP/s count the
operations of the direct form. Relative L2 is against the reference evaluator.

Made by `sh tests/performance/proof.sh`.

EOF
  "$folder/bin/altrt_proof" --seconds 2
} > "$out.new"
mv "$out.new" "$out"
cat "$out"
