// Which share of a GPU's arithmetic each tile of a product reaches: what choose_gpu_tile() expects of them is taken
// from here. usage: altrt_gpu_tiles
#include <altrt/error.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "jit/compile/compile.h"
#include "jit/compile/devices.h"
#include "jit/compile/gpu_templates.h"
#include "jit/compile/provide.h"
#include "jit/layout/layout.h"

namespace altrt::jit {
namespace {

constexpr int kRuns = 7;

/// y[m, n] = sum_k a[m, k] * b[k, n]
Computation product(int64_t m, int64_t n, int64_t k) {
  Computation c;
  c.name = "product";
  const int a = c.add_tensor({"a", DataType::f32, {m, k}, Role::input});
  const int b = c.add_tensor({"b", DataType::f32, {k, n}, Role::constant});
  const int y = c.add_tensor({"y", DataType::f32, {m, n}, Role::output});
  Stage s;
  s.name = "product";
  s.axes = {{"m", m}, {"n", n}};
  s.reduce = {{"k", k}};
  const Expr sum = state(0, DataType::f32);
  const Expr first = access(a, DataType::f32, {variable("m"), variable("k")});
  const Expr second = access(b, DataType::f32, {variable("k"), variable("n")});
  s.state = {{DataType::f32, constant(DataType::f32, 0), fma(first, second, sum), sum + other(0, DataType::f32)}};
  s.outputs = {y};
  s.store = variables(s.axes);
  s.results = {sum};
  c.stages.push_back(s);
  c.anchor.kind = AnchorKind::matmul;
  c.anchor.stage = 0;
  c.anchor.data = a;
  c.anchor.weights = b;
  return c;
}

/// Milliseconds of the group's kernels: the fastest of some runs.
double time_of(Device& device, const CompiledGroup& group, const GroupDecision& decision) {
  const std::vector<std::shared_ptr<LoadedKernel>> loaded = load(group, decision, &device);
  std::vector<std::shared_ptr<void>> memory;
  const std::unique_ptr<DeviceStream> stream = device.make_stream();
  for (const TensorDecl& tensor : group.computation.tensors) {
    const auto layout = group.layouts.find(tensor.name);
    const int64_t elements = physical_elements(layout == group.layouts.end() ? Layout() : layout->second, tensor.shape);
    memory.push_back(device.allocate(static_cast<size_t>(elements) * size_of(tensor.type)));
    stream->fill(memory.back().get(), 0x3c, static_cast<size_t>(elements) * size_of(tensor.type));
  }
  double best = 1e30;
  for (int run = 0; run < kRuns; ++run) {
    const std::unique_ptr<DeviceEvent> begin = stream->record();
    for (size_t k = 0; k < loaded.size(); ++k) {
      Launch launch{loaded[k], {}, group.kernels[k].tasks};
      for (const int tensor : group.kernels[k].arguments) {
        launch.arguments.push_back(memory[static_cast<size_t>(tensor)].get());
      }
      stream->launch(launch);
    }
    const std::unique_ptr<DeviceEvent> end = stream->record();
    stream->wait();
    best = std::min(best, stream->milliseconds(*begin, *end));
  }
  return best;
}

void measure(Device& device, int64_t m, int64_t n, int64_t k, const std::vector<const char*>& algorithms,
             const std::vector<GpuTile>& tiles) {
  const Computation c = product(m, n, k);
  std::printf("%ld x %ld x %ld, default %s\n", static_cast<long>(m), static_cast<long>(n), static_cast<long>(k),
              gpu_algorithm(c, device.target()).c_str());
  for (const char* algorithm : algorithms) {
    const Computation changed = apply_algorithm(c, algorithm);
    GroupDecision decision;
    decision.algorithm = algorithm;
    decision.layouts = gpu_layouts(changed, {});
    for (const GpuTile& tile : tiles) {
      decision.schedule = gpu_schedule(changed, decision.layouts, device.target());
      Schedule tiled;
      schedule_gpu_products(changed, decision.layouts, tile, tiled);
      for (const auto& [stage, steps] : tiled.stages) decision.schedule[stage] = steps;
      try {
        const double ms = time_of(device, compile(c, decision, device.target(), "tile"), decision);
        std::printf("  %-6s %3ldx%-3ld thread %ldx%ld depth %2ld: %8.4f ms %7.2f TFLOP/s\n", algorithm,
                    static_cast<long>(tile.rows), static_cast<long>(tile.columns), static_cast<long>(tile.thread_rows),
                    static_cast<long>(tile.thread_columns), static_cast<long>(tile.depth), ms,
                    2e-9 * static_cast<double>(m * n * k) / ms);
      } catch (const Error& error) {
        std::printf("  %s: %s\n", algorithm, error.what());
      }
    }
  }
}

int run() {
  const std::shared_ptr<Device> device = open_device("cuda");
  std::printf("%s\n", device->description().c_str());
  const std::vector<GpuTile> tiles = {{128, 128, 8, 8, 8}, {128, 128, 8, 8, 16}, {128, 64, 8, 4, 8}, {128, 64, 8, 8, 8},
                                      {64, 128, 8, 8, 8},  {64, 128, 4, 8, 8},   {64, 64, 4, 4, 16}, {64, 64, 8, 4, 16},
                                      {64, 64, 8, 8, 16},  {32, 64, 4, 4, 16},   {64, 32, 4, 4, 16}, {32, 32, 4, 4, 16},
                                      {32, 32, 2, 2, 16},  {16, 64, 4, 4, 16},   {16, 32, 2, 2, 16}};
  measure(*device, 2048, 2048, 1024, {"gemm"}, tiles);                  // many blocks
  measure(*device, 2048, 768, 768, {"gemm", "gemm2", "gemm4"}, tiles);  // BERT, batch 16
  measure(*device, 128, 768, 768, {"gemm", "gemm4", "gemm8"}, tiles);   // BERT, batch 1
  measure(*device, 512, 49, 4608, {"gemm8", "gemm16"}, tiles);          // the last convolutions of ResNet-18, batch 1
  measure(*device, 128, 784, 1152, {"gemm", "gemm4", "gemm8"}, tiles);
  return 0;
}

}  // namespace
}  // namespace altrt::jit

int main() {
  try {
    return altrt::jit::run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
