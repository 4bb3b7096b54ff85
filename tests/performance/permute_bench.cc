// Native packing: bytes read and written per second, one thread, beside a plain copy of as many bytes.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "jit/layout/permute.h"

namespace altrt::jit {
namespace {

struct Case {
  const char* name;
  std::vector<int64_t> shape;
  const char *from, *to;
};

constexpr char kBlocked[] = "split(1, 0x16) reorder(0,1,3,4,2)";
constexpr char kBordered[] = "pad(2, 1, 1, 0) pad(3, 1, 1, 0) split(1, 0x16) reorder(0,1,3,4,2)";

const Case kCases[] = {
    {"nchw_to_nchw16c", {1, 64, 56, 56}, "", kBlocked},
    {"nchw_to_nchw16c_bordered", {1, 64, 56, 56}, "", kBordered},
    {"nchw16c_bordered_to_nchw", {1, 64, 56, 56}, kBordered, ""},
    {"nchw16c_to_nchw", {1, 64, 56, 56}, kBlocked, ""},
    {"nchw16c_to_bordered", {1, 64, 56, 56}, kBlocked, kBordered},
    {"nchw8c_to_nchw16c", {1, 64, 56, 56}, "split(1, 0x8) reorder(0,1,3,4,2)", kBlocked},
    {"nchw_to_nhwc", {1, 64, 56, 56}, "", "reorder(0,2,3,1)"},
    {"nchw16c_14x14_bordered", {1, 256, 14, 14}, "", kBordered},
    {"nchw16c_7x7_bordered", {1, 512, 7, 7}, "", kBordered},
    {"image_nhwc_to_nchw", {1, 3, 224, 224}, "reorder(0,2,3,1)", ""},
    {"image_to_nchw4c",
     {1, 3, 224, 224},
     "",
     "pad(1, 0, 1, 0) pad(2, 3, 3, 0) pad(3, 3, 3, 0) split(1, 0x4) reorder(0,1,3,4,2)"},
    {"weights_64", {64, 64, 3, 3}, "", "split(0, 0x16) reorder(0,2,3,4,1)"},
    {"weights_512", {512, 512, 3, 3}, "", "split(0, 0x16) reorder(0,2,3,4,1)"},
    {"weights_512_16i16o", {512, 512, 3, 3}, "", "split(1, 0x16) split(0, 0x16) reorder(0,2,4,5,3,1)"},
    {"matrix_768_3072", {768, 3072}, "", "reorder(1,0)"},
    {"matrix_panels", {768, 3072}, "", "split(1, 0x16) reorder(1,0,2)"},
    {"copy_64x56x56", {64, 56, 56}, "", ""},
};

void report(benchmark::State& state, int64_t bytes) { state.SetBytesProcessed(state.iterations() * bytes); }

void permute(benchmark::State& state, const Case& c) {
  Permute copy(DataType::f32, c.shape, parse_layout(c.from), parse_layout(c.to));
  int64_t from_bytes = Permute(DataType::f32, c.shape, {}, parse_layout(c.from)).bytes_to();
  std::vector<uint8_t> from(from_bytes, 1), to(copy.bytes_to());
  for (auto _ : state) {
    copy.run(from.data(), to.data(), 0, copy.tasks());
    benchmark::ClobberMemory();
  }
  report(state, from_bytes + copy.bytes_to());
}

void prepare(benchmark::State& state, const Case& c) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Permute(DataType::f32, c.shape, parse_layout(c.from), parse_layout(c.to)));
  }
}

void plain_copy(benchmark::State& state) {
  std::vector<uint8_t> from(state.range(0), 1), to(state.range(0));
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::ClobberMemory();
  }
  report(state, 2 * state.range(0));
}
BENCHMARK(plain_copy)->Arg(64 * 56 * 56 * 4)->Arg(512 * 512 * 9 * 4);

}  // namespace
}  // namespace altrt::jit

int main(int argc, char** argv) {
  for (const altrt::jit::Case& c : altrt::jit::kCases) {
    benchmark::RegisterBenchmark(c.name, altrt::jit::permute, c);
    benchmark::RegisterBenchmark((std::string("prepare_") + c.name).c_str(), altrt::jit::prepare, c);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
