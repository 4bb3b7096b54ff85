#!/bin/sh
# Checks already-built programs on a machine with an NVIDIA GPU: short results, exit code 1 if anything failed.
# usage: sh tests/jit_gpu/on_device.sh [--bin FOLDER] [--models FOLDER] [--maker FILE] [--limit SECONDS] [PART]...
#   --bin FOLDER     the programs (build/bin); libraries are looked for beside it in lib, too
#   --models FOLDER  NAME.onnx, NAME.inputs.npz and NAME.outputs.npz of the networks
#   --maker FILE     make_models.py, which makes them where no folder is given (needs Python with onnx and onnxruntime)
#   --limit SECONDS  for everything (360); each step has a limit of its own as well
# Parts, all by default:
#   about      the GPU, its driver, the version of altrt
#   tests      the test programs that use a GPU, with ALTRT_TEST_DEVICE=cuda
#   networks   five networks against ONNX Runtime's outputs, relative L2 at most 1e-4
#   sanitizer  compute-sanitizer: memcheck and racecheck of random cases, memcheck of ResNet-18
# NVRTC is found by ALTRT_NVRTC, the system's search, the toolkit (CUDA_HOME, CUDA_PATH, nvcc) or Python's package of it.
set -u

bin=build/bin models='' maker='' parts='' seconds=360
while [ $# -gt 0 ]; do
  case $1 in
    --bin) bin=$2; shift ;;
    --models) models=$2; shift ;;
    --maker) maker=$2; shift ;;
    --limit) seconds=$2; shift ;;
    about | tests | networks | sanitizer) parts="$parts $1" ;;
    *) sed -n 's/^# \{0,1\}//; 2,13p' "$0" >&2; exit 2 ;;
  esac
  shift
done
bin=$(cd "$bin" && pwd) || exit 2
networks="resnet18 mobilenet_v2 bert_tiny r3d_18 bert_base"

toolkit() {
  for folder in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
    [ -z "$folder" ] || [ ! -d "$folder" ] || { printf '%s\n' "$folder"; return; }
  done
  nvcc=$(command -v nvcc) && dirname "$(dirname "$(readlink -f "$nvcc")")"
}

# A path where the library's own search finds none.
nvrtc() {
  for name in libnvrtc.so.13 libnvrtc.so.12; do
    python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' $name 2> /dev/null && return
  done
  packages=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))' 2> /dev/null)
  for folder in "$(toolkit)" "$packages/nvidia"; do
    found=$(find -L "$folder" -name 'libnvrtc.so.1[0-9]*' 2> /dev/null | sort | tail -n 1)
    [ -z "$found" ] || { printf '%s\n' "$found"; return; }
  done
}

# limited SECONDS NAME COMMAND...: runs it, prints the end of what it says if it fails, and counts
limited() {
  begin=$(date +%s)
  limit=$1 name=$2 left=$((deadline - begin))
  shift 2
  [ $left -gt 0 ] || { : > "$scratch/out"; fail "$name: no time left"; return 1; }
  [ "$limit" -le $left ] || limit=$left
  timeout -k 5 "$limit" "$@" > "$scratch/out" 2>&1
  code=$?
  took="$(($(date +%s) - begin)) s"
  case $code in
    0) echo "PASS $name, $took"; return 0 ;;
    124 | 137) fail "$name: stopped after $took" ;;
    *) fail "$name: exit $code after $took" ;;
  esac
  tail -n 40 "$scratch/out" | cut -c1-300 | sed 's/^/    /'
  return 1
}

fail() {
  echo "FAIL $1"
  failures=$((failures + 1))
}

part_about() {
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1 || fail nvidia-smi
  "$bin/altrt" --version || fail "altrt --version"
  echo "NVRTC: ${ALTRT_NVRTC:-of the system}"
}

# Who has a part for the GPU says so by the name of the variable.
test_programs() {
  for program in "$bin"/*_test; do
    case ${program##*/} in
      jit_gpu_device_test | jit_gpu_device_property_test | jit_gpu_nvrtc_test) printf '%s\n' "$program" ;;
      *) grep -lqa ALTRT_TEST_DEVICE "$program" && printf '%s\n' "$program" ;;
    esac
  done
}

part_tests() {
  ran=0
  for program in $(test_programs); do
    name=${program##*/}
    ran=$((ran + 1))
    limited 90 "$name" env ALTRT_TEST_DEVICE=cuda ALTRT_VERIFY=1 "$program" --gtest_color=no || continue
    grep -E '^[0-9]+ of [0-9]+ cases|^\[  PASSED  \]' "$scratch/out" | sed 's/^/    /'
    # The reasons stand between the line of the place and that of the test.
    sed -n '/: Skipped$/,/^\[  SKIPPED \]/p' "$scratch/out" | grep -vE ': Skipped$|^$' | cut -c1-200 | sort -u | sed 's/^/    /'
    # A program that finds no GPU skips everything and is content.
    grep -qE '^\[  PASSED  \] [1-9]' "$scratch/out" || fail "$name: no test passed"
  done
  [ $ran -gt 0 ] || fail "no test programs in $bin"
}

make_models() {
  [ -n "$maker" ] || { fail "networks: give --models or --maker"; return 1; }
  models=$scratch/models
  limited 100 "making $*" python3 "$maker" "$models" --reference "$@"
}

part_networks() {
  # shellcheck disable=SC2086
  [ -n "$models" ] || make_models $networks || return
  for network in $networks; do
    file=$models/$network
    limited 40 "$network" "$bin/altrt" compare "$file.onnx" --inputs "$file.inputs.npz" --reference "$file.outputs.npz" \
      --tolerance 1e-4 --device cuda && sed 's/^/    /' "$scratch/out"
  done
}

# sanitize TOOL NAME COMMAND...
sanitize() {
  tool=$1 what="$1, $2"
  shift 2
  # Calls that fail are the program's own matter: it must say so, or know better.
  [ "$tool" != memcheck ] || tool="memcheck --report-api-errors no"
  # shellcheck disable=SC2086
  limited 60 "$what" "$sanitizer" --tool $tool --error-exitcode 9 --print-limit 5 "$@" || return
  grep -E 'SUMMARY: |^[0-9]+ of [0-9]+ cases' "$scratch/out" | sed 's/^=* */    /'
  # A program that finds no GPU has no errors, either.
  grep -q 'SUMMARY: ' "$scratch/out" || fail "$what: no summary"
  ! grep -qE 'terminated before first instrumented|^\[  SKIPPED' "$scratch/out" || fail "$what: the GPU was not used"
}

part_sanitizer() {
  sanitizer=$(command -v compute-sanitizer || ls "$(toolkit)"/bin/compute-sanitizer 2> /dev/null)
  [ -n "$sanitizer" ] || { fail "no compute-sanitizer"; return; }
  cases=$bin/jit_gpu_device_property_test
  export ALTRT_TEST_CASES=24
  sanitize memcheck "$ALTRT_TEST_CASES random cases" "$cases"
  ALTRT_TEST_CASES=12
  sanitize racecheck "$ALTRT_TEST_CASES random cases" "$cases"
  unset ALTRT_TEST_CASES
  [ -f "$models/resnet18.onnx" ] || make_models resnet18 || return
  sanitize memcheck resnet18 "$bin/altrt" run "$models/resnet18.onnx" --device cuda --output-dir "$scratch/outputs"
}

scratch=$(mktemp -d) failures=0 deadline=$(($(date +%s) + seconds))
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
LD_LIBRARY_PATH=${bin%/*}/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH XDG_CACHE_HOME="$scratch/cache"
if [ -z "${ALTRT_NVRTC:-}" ]; then
  found=$(nvrtc)
  [ -z "$found" ] || export ALTRT_NVRTC="$found"
fi
for part in ${parts:-about tests networks sanitizer}; do
  echo "== $part"
  "part_$part"
done
echo "== $failures failures"
[ $failures = 0 ]
