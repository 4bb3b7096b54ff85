#!/bin/sh
# Installs what is missing, builds and runs all tests. The last lines are CTest's summary.
# usage: sh tests/run.sh [--sanitize] [--tidy] [--long]
#   --sanitize   also under AddressSanitizer with UBSan, and under ThreadSanitizer (build folders of their own)
#   --tidy       also clang-tidy over all sources
#   --long       more random cases in the property tests, a hundred of each bad candidate
set -eu
cd "$(dirname "$0")/.."

sanitize= tidy= tools=
for option; do
  case $option in
    --sanitize) sanitize=yes ;;
    --tidy) tidy=yes tools=clang-tidy-14 ;;
    --long) export ALTRT_TEST_LONG=1 ;;
    *) sed -n 's/^# \{0,1\}//; 2,6p' "$0" >&2; exit 2 ;;
  esac
done

sh third_party/install.sh $tools
if nvrtc=$(sh third_party/nvrtc.sh); then
  [ -z "$nvrtc" ] || export ALTRT_NVRTC="$nvrtc"
else
  echo "Tests that need NVRTC are skipped."
fi

# build FOLDER CMAKE-OPTION...
build() {
  folder=$1
  shift
  cmake -G Ninja -S . -B "$folder" "$@" > "$folder.log" 2>&1 || { cat "$folder.log" >&2; return 1; }
  ninja -C "$folder"
}
run_tests() {
  ctest --test-dir "$1" -j2 --output-on-failure --no-tests=error
}

build build
if [ -n "$tidy" ]; then
  git ls-files 'jit/*.cc' 'runtime/*.cc' 'tuner/*.cc' 'examples/*.cc' | xargs -n 4 -P "$(nproc)" clang-tidy-14 -p build --quiet
fi
if [ -n "$sanitize" ]; then
  build build-asan -DALTRT_SANITIZE=address
  run_tests build-asan
  build build-tsan -DALTRT_SANITIZE=thread -DALTRT_ONEDNN=OFF
  run_tests build-tsan
fi
run_tests build
