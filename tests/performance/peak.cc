// Fraction of this core's FMA peak that register tiles reach: one thread, packed B, K = 576, the least time of many
// runs.
//   altrt_peak [avx2|avx512] [assembly MxN U]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "jit/cpu/cpu.h"
#include "runtime/base/buffer.h"
#include "tests/jit_loop/build.h"
#include "tests/performance/peak.h"

namespace {

using altrt::DataType;
using namespace altrt::jit;
using namespace altrt::jit::build;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <typename F>
double least_time(int runs, F f) {
  double least = 1e9;
  for (int r = 0; r < runs; ++r) {
    const double start = seconds();
    f();
    least = std::min(least, seconds() - start);
  }
  return least;
}

/// A nest on its own zero-filled memory.
class Runner {
 public:
  Runner(const Nest& nest, const KernelObject& object) : kernel_(cpu::load({object})[0]) {
    for (const Buffer& buffer : nest.buffers) {
      if (buffer.scope != Scope::argument) continue;
      memory_.emplace_back(static_cast<size_t>(buffer.elements()) * size_of(buffer.type));
      memory_.back().zero();
      pointers_.push_back(memory_.back().data());
    }
  }
  void run(int64_t tasks) const { kernel_->function()(pointers_.data(), nullptr, nullptr, 0, tasks); }

 private:
  std::shared_ptr<LoadedKernel> kernel_;
  std::vector<altrt::base::AlignedBuffer> memory_;
  std::vector<const void*> pointers_;
};

/// C[t][m][n] = sum over (tap, c) of A[tap][t*m + i][c] * B[tap][c][n]: the products of a convolution over 64 packed
/// channels.
Nest tile(int64_t m, int64_t n, int64_t unroll, int64_t tiles) {
  constexpr int64_t taps = 9, channels = 64;
  Nest nest;
  nest.name = "tile_" + std::to_string(m) + "x" + std::to_string(n) + "_u" + std::to_string(unroll);
  const int a = add_buffer(&nest, "a", DataType::f32, {taps, tiles * m, channels});
  const int b = add_buffer(&nest, "b", DataType::f32, {taps, channels, n});
  const int c = add_buffer(&nest, "c", DataType::f32, {tiles, m, n}, true);
  const int acc = add_buffer(&nest, "acc", DataType::f32, {m, n}, false, Scope::register_tile);
  nest.parallel = {{"t", tiles}};
  const Expr t = variable("t"), i = variable("i"), j = variable("j"), tap = variable("tap");
  const Expr k = variable("k0") * Expr(unroll) + variable("k1");
  const Expr product = fma(at(nest, a, {tap, t * Expr(m) + i, k}), at(nest, b, {tap, k, j}), at(nest, acc, {i, j}));
  auto each = [&](Stmt s) { return unrolled("i", m, {vector("j", n, {std::move(s)})}); };
  nest.body = {allocate(
      acc, {each(store(acc, {i, j}, constant_float(DataType::f32, 0))),
            serial("tap", taps,
                   {serial("k0", channels / unroll, {unrolled("k1", unroll, {each(store(acc, {i, j}, product))})})}),
            each(store(c, {t, i, j}, at(nest, acc, {i, j})))})};
  return nest;
}

void measure(const Target& target, int64_t m, int64_t n, int64_t unroll, double peak_now) {
  constexpr int64_t tiles = 16;
  const Nest nest = tile(m, n, unroll, tiles);
  KernelObject object;
  const double start = seconds();
  try {
    object = cpu::compile(nest, target);
  } catch (const std::exception& e) {
    std::printf("%2lldx%-3lld U=%lld  %s\n", (long long)m, (long long)n, (long long)unroll, e.what());
    return;
  }
  const double compile_ms = (seconds() - start) * 1e3;
  const Runner runner(nest, object);
  const double t = least_time(400, [&] { runner.run(tiles); });
  const double gflops = 2.0 * static_cast<double>(m * n) * 576 * tiles / t * 1e-9;
  std::printf("%2lldx%-3lld U=%lld  %6.1f GFLOP/s  %5.1f %%  frame %4lld  code %5lld  compile %5.1f ms\n", (long long)m,
              (long long)n, (long long)unroll, gflops, 100 * gflops / peak_now, (long long)object.frame_bytes,
              (long long)object.code_bytes, compile_ms);
}

}  // namespace

int main(int argc, char** argv) {
  Target target = host_target();
  if (argc > 1 && std::strcmp(argv[1], "avx2") == 0) {
    const std::string tune = target.tune_cpu;
    target = named_target("avx2");
    target.tune_cpu = tune;
  }
  int64_t m = 0, n = 0;
  if (argc > 4 && std::sscanf(argv[3], "%ldx%ld", &m, &n) == 2) {
    std::puts(cpu::assembly(tile(m, n, std::atoll(argv[4]), 16), target).c_str());
    return 0;
  }
  std::printf("%s\n", to_string(target).c_str());
  double now = altrt::performance::fma_peak_gflops(target.lanes);
  std::printf("peak %.1f GFLOP/s\n", now);
  struct Shape {
    int64_t m, n;
  };
  const std::vector<Shape> narrow = {{6, 16}, {5, 16}, {4, 16}, {3, 16}, {4, 24},
                                     {3, 32}, {2, 32}, {8, 8},  {12, 8}, {7, 16}};
  const std::vector<Shape> wide = {{6, 16},  {8, 16}, {14, 16}, {28, 16}, {8, 32}, {12, 32}, {13, 32},
                                   {14, 32}, {6, 48}, {8, 48},  {9, 48},  {4, 64}, {6, 64},  {5, 64}};
  for (const Shape& s : target.lanes == 16 ? wide : narrow) {
    for (int64_t unroll : {1, 2, 4, 8}) {
      now = std::max(now, altrt::performance::fma_peak_gflops(target.lanes));
      measure(target, s.m, s.n, unroll, now);
    }
  }
}
