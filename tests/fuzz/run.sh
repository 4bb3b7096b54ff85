#!/bin/sh
# Fuzzes what reads models, with libFuzzer under AddressSanitizer and UBSan.
#
#   sh tests/fuzz/run.sh SECONDS|RUNSr [TARGET] [FOLDER]      e.g. 60 (seconds) or 1000000r (executions)
#
# TARGET is reader (the default) or simplify (reader, shape inference, folding, reference evaluation).
# Builds in FOLDER (default build-fuzz) apart from any other build; the corpus stays there and grows from run to run.
# Seeds are the node tests of libonnx-testdata, where that is installed. A finding is left in FOLDER/TARGET/crash-*;
# exit 1.
set -eu
cd "$(dirname "$0")/../.."
amount=${1:?usage: sh tests/fuzz/run.sh SECONDS|RUNSr [TARGET] [FOLDER]}
target=${2:-reader}
folder=${3:-build-fuzz}/$target
case $amount in
  *r) limit=-runs=${amount%r} ;;
  *) limit=-max_total_time=$amount ;;
esac
compiler=${CXX_FUZZ:-clang++-19}
if command -v ccache > /dev/null; then compiler="ccache $compiler"; fi
mkdir -p "$folder/corpus" "$folder/seeds" "$folder/objects"

sources="tests/fuzz/${target}_fuzz.cc
  runtime/base/buffer.cc runtime/base/hash.cc runtime/base/tensor.cc runtime/base/text.cc
  runtime/graph/graph.cc runtime/graph/print.cc runtime/graph/verify.cc
  runtime/model/attribute_reader.cc runtime/model/external_data.cc runtime/model/graph_reader.cc
  runtime/model/message.cc runtime/model/model_file.cc runtime/model/onnx_reader.cc runtime/model/onnx_writer.cc runtime/model/read_context.cc
  runtime/model/tensor_reader.cc"
if [ "$target" = simplify ]; then
  sources="$sources runtime/graph/evaluate.cc runtime/graph/fix_shapes.cc runtime/graph/fold_batch_norm.cc
    runtime/graph/infer_and_fold.cc runtime/graph/operators.cc runtime/graph/remove_no_ops.cc runtime/graph/run_node.cc
    runtime/graph/simplify.cc $(ls runtime/ops/*.cc jit/expr/*.cc jit/layout/*.cc)"
fi

flags="-std=c++20 -O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
for source in $sources; do
  echo "$source"
done | FOLDER=$folder COMPILE="$compiler $flags -DXXH_INLINE_ALL -I. -Iinclude -c" xargs -P 2 -I '{}' \
  sh -c '$COMPILE {} -o "$FOLDER/objects/$(echo {} | tr / _).o"'
objects=
for source in $sources; do objects="$objects $folder/objects/$(echo "$source" | tr / _).o"; done
# shellcheck disable=SC2086 # lists of words
$compiler $flags $objects -o "$folder/fuzz"

tests=/usr/share/libonnx-testdata/data/node
if [ -d "$tests" ]; then
  for model in "$tests"/*/model.onnx; do
    [ "$(wc -c <"$model")" -gt 4096 ] || cp "$model" "$folder/seeds/$(basename "$(dirname "$model")")"
  done
fi
exec "$folder/fuzz" "$folder/corpus" "$folder/seeds" $limit -max_len=8192 -timeout=30 -rss_limit_mb=2048 \
  -print_final_stats=1 -artifact_prefix="$folder/"
