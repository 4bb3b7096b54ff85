#!/bin/sh
# Fuzzes the model reader with libFuzzer under AddressSanitizer and UBSan.
#
#   sh tests/fuzz/run.sh SECONDS|RUNSr [FOLDER]      e.g. 60 (seconds) or 1000000r (executions)
#
# Builds in FOLDER (default build-fuzz) apart from any other build; the corpus stays there and grows from run to run.
# Seeds are the node tests of libonnx-testdata, where that is installed. A finding is left in FOLDER/crash-*; exit 1.
set -eu
cd "$(dirname "$0")/../.."
amount=${1:?usage: sh tests/fuzz/run.sh SECONDS|RUNSr [FOLDER]}
folder=${2:-build-fuzz}
case $amount in
  *r) limit=-runs=${amount%r} ;;
  *) limit=-max_total_time=$amount ;;
esac
compiler=${CXX_FUZZ:-clang++-19}
mkdir -p "$folder/corpus" "$folder/seeds"

sources="tests/fuzz/reader_fuzz.cc
  runtime/base/buffer.cc runtime/base/tensor.cc runtime/base/text.cc
  runtime/graph/graph.cc runtime/graph/print.cc runtime/graph/verify.cc
  runtime/model/attribute_reader.cc runtime/model/external_data.cc runtime/model/graph_reader.cc
  runtime/model/message.cc runtime/model/onnx_reader.cc runtime/model/onnx_writer.cc runtime/model/read_context.cc
  runtime/model/tensor_reader.cc"
# shellcheck disable=SC2086 # a list of files
"$compiler" -std=c++20 -O2 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
  -fno-omit-frame-pointer -I. -Iinclude $sources -o "$folder/reader_fuzz"

tests=/usr/share/libonnx-testdata/data/node
if [ -d "$tests" ]; then
  for model in "$tests"/*/model.onnx; do
    [ "$(wc -c <"$model")" -gt 4096 ] || cp "$model" "$folder/seeds/$(basename "$(dirname "$model")")"
  done
fi
exec "$folder/reader_fuzz" "$folder/corpus" "$folder/seeds" $limit -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
  -print_final_stats=1 -artifact_prefix="$folder/"
