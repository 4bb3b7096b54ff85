#!/bin/sh
# Builds and runs host programs that bring libraries along which libaltrt must live beside, against the installed tree
# that install_test.sh has moved: every shared LLVM that this machine has and, with `protobuf`, protobuf and libonnx too.
# Without it, also a static LLVM.
# Each in four ways: libaltrt linked before and after the others, and opened at run time with RTLD_LOCAL and RTLD_GLOBAL.
# usage: hosts_test.sh SOURCE BUILD LLVM_INCLUDE_FOLDER llvm|protobuf      exit 77 with [SKIP] where something is absent
set -eu
host=$1/tests/install/host include=$3 kind=$4
installed=$2/install-test/moved
work=$2/hosts-test-$kind
rm -rf "$work"
mkdir -p "$work"

skip() {
  echo "[SKIP] $1"
  exit 77
}
[ -f "$include/llvm-c/Core.h" ] || skip "no header llvm-c/Core.h in $include"
llvms=$(find /usr/lib /usr/local/lib -name 'libLLVM*.so*' -exec readlink -f '{}' ';' 2> /dev/null | sort -u)
[ -n "$llvms" ] || skip "no shared libLLVM"
flags="-std=c++20 -O1 -fPIC -DHOST_LLVM" others=
if [ "$kind" = protobuf ]; then
  flags="$flags -DHOST_PROTOBUF -DONNX_ML=1 -DONNX_NAMESPACE=onnx" others="-lonnx -lonnx_proto -lprotobuf"
  echo '#include <onnx/onnx_pb.h>' > "$work/probe.cc"
  echo 'int main() { return onnx::ModelProto().ByteSizeLong() != 0; }' >> "$work/probe.cc"
  # shellcheck disable=SC2086 # lists of words, here and below
  c++ $flags "$work/probe.cc" -o "$work/probe" $others 2> "$work/probe.log" ||
    skip "no libonnx-dev and libprotobuf-dev that a program can be built with ($work/probe.log)"
fi

PKG_CONFIG_PATH=$(dirname "$(find "$installed" -name altrt.pc)")
export PKG_CONFIG_PATH
library=$(find "$installed" -name libaltrt.so)
altrt="$(pkg-config --libs altrt) -Wl,-rpath,$(dirname "$library")"
compile() {
  source=$1 object=$2
  shift 2
  # shellcheck disable=SC2046
  c++ $flags -isystem "$include" $(pkg-config --cflags altrt) "$@" -c "$host/$source" -o "$work/$object"
}
compile main.cc alone.o -UHOST_LLVM -UHOST_PROTOBUF
compile main.cc main.o
compile main.cc opens.o -DHOST_PLUGIN
compile guest.cc guest.o
compile llvm.cc llvm.o
objects="$work/llvm.o"
if [ "$kind" = protobuf ]; then
  compile protobuf.cc protobuf.o
  objects="$objects $work/protobuf.o"
fi

c++ "$work/alone.o" "$work/guest.o" -o "$work/alone" $altrt -pthread
"$work/alone" write "$work/model.onnx" "$work/answer"
c++ -shared "$work/guest.o" -o "$work/plugin.so" $altrt

# check FILE PROGRAM ARGUMENT...    FILE is what the host's LLVM must come from, lest it be another than was meant
check() {
  expected=$1
  shift
  "$@" > "$work/run.log" 2>&1 || { cat "$work/run.log" >&2; return 1; }
  grep -q "^with .*/$expected\$" "$work/run.log" || {
    echo "not run with $expected:" >&2
    cat "$work/run.log" >&2
    return 1
  }
}
# check_host NAME LIBRARIES    NAME is a file name, or `static`
check_host() {
  name=$1
  c++ "$work/main.o" "$work/guest.o" $objects -o "$work/before" $altrt $2 -pthread
  c++ "$work/main.o" "$work/guest.o" $objects -o "$work/after" $2 $altrt -pthread
  c++ "$work/opens.o" $objects -o "$work/opens" $2 -pthread
  for order in first last; do
    for program in before after; do
      [ "$name" = static ] && file=$program || file=$name
      check "$file" "$work/$program" compare "$work/model.onnx" "$work/answer" $order
    done
    for flag in local global; do
      [ "$name" = static ] && file=opens || file=$name
      check "$file" "$work/opens" compare "$work/model.onnx" "$work/answer" $order "$library" "$work/plugin.so" $flag
    done
  done
  echo "$kind, LLVM $name: linked before and after, opened with RTLD_LOCAL and RTLD_GLOBAL, used first and last: same bits"
}

for llvm in $llvms; do
  # The very file, by the name under which programs ask for it.
  soname=$(objdump -p "$llvm" | sed -n 's/ *SONAME *//p')
  mkdir -p "$work/$soname"
  cp -s "$llvm" "$work/$soname/$soname"
  check_host "$soname" "-Wl,--no-as-needed $others $work/$soname/$soname -Wl,-rpath,$work/$soname"
done
if [ "$kind" = llvm ]; then
  # The LLVM that libaltrt holds a copy of, under the same names, all of them shown to whatever the program opens.
  config=$(dirname "$include")/bin/llvm-config
  [ -x "$config" ] || skip "no $config to link LLVM statically with"
  check_host static "-rdynamic $("$config" --link-static --ldflags --libs mcjit native --system-libs | tr '\n' ' ')"
fi
