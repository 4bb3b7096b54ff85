#include "tests/property/harness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include <altrt/error.h>

#include "jit/expr/evaluate.h"
#include "jit/layout/permute.h"
#include "jit/layout/stored.h"
#include "jit/loop/interpret.h"
#include "runtime/base/buffer.h"

namespace altrt::property {

using namespace jit;  // NOLINT

namespace {

void set_element(DataType type, void* data, size_t i, double value) {
  switch (type) {
    case DataType::f32:
      static_cast<float*>(data)[i] = static_cast<float>(value);
      return;
    case DataType::f64:
      static_cast<double*>(data)[i] = value;
      return;
    case DataType::i64:
      static_cast<int64_t*>(data)[i] = std::isnan(value) ? -77777 : static_cast<int64_t>(value);
      return;
    case DataType::i32:
      static_cast<int32_t*>(data)[i] = std::isnan(value) ? -77777 : static_cast<int32_t>(value);
      return;
    default:
      static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(value);
  }
}

std::vector<int64_t> bounds_of(const std::vector<Extent>& shape) {
  std::vector<int64_t> result;
  for (const Extent& extent : shape) result.push_back(extent.bound);
  return result;
}

int64_t elements_of(const std::vector<Extent>& shape) {
  int64_t count = 1;
  for (const Extent& extent : shape) count *= extent.bound;
  return count;
}

Layout layout_of(const StoredLayouts& stored, const std::string& tensor) {
  const auto found = stored.layouts.find(tensor);
  return found == stored.layouts.end() ? Layout() : found->second;
}

void permute(DataType type, const std::vector<int64_t>& shape, const Layout& from, const Layout& to, const void* source,
             void* target) {
  const Permute copy(type, shape, from, to);
  copy.run(source, target, 0, copy.tasks());
}

/// The tensors of a case: dense in logical order, and physical between guard pages.
struct Tensors {
  std::vector<std::vector<char>> dense;
  std::vector<base::GuardedBuffer> physical;
};

bool skips(const Schedule& schedule) {
  return std::any_of(schedule.stages.begin(), schedule.stages.end(),
                     [](const auto& entry) { return has_step(entry.second, LoopStepKind::skip); });
}

void fill_inputs(const Case& c, Tensors& tensors) {
  Random random(c.seed + 17);
  for (size_t t = 0; t < c.computation.tensors.size(); ++t) {
    const TensorDecl& decl = c.computation.tensors[t];
    const auto count = static_cast<size_t>(elements_of(decl.shape));
    tensors.dense.emplace_back(count * size_of(decl.type) + 8);
    const bool is_input = decl.role == Role::input || decl.role == Role::constant;
    const bool is_weight = decl.role == Role::constant && c.kind == "transformed";
    // NaN keeps its class through sums and maxima in any order; not through comparisons, nor where zeros of a table
    // vanish, nor beside a zero that is skipped.
    const bool may_vanish =
        c.kind == "arg_max" || c.kind == "transformed" || (decl.role == Role::constant && skips(c.schedule));
    const bool has_nan = c.seed % 8 == 5 && !may_vanish && decl.type == DataType::f32;
    for (size_t i = 0; i < count; ++i)
      set_element(decl.type, tensors.dense[t].data(), i,
                  !is_input || (has_nan && random.chance(4))
                      ? NAN
                      : static_cast<double>(random.in(-4, 4) * (is_weight ? 4 : 1)));
  }
}

/// Physical copy of every tensor that a kernel touches; outputs hold NaN outside their filled padding.
void make_physical(const Case& c, const StoredLayouts& stored, const Computation& lowered, Tensors& tensors) {
  for (size_t t = 0; t < lowered.tensors.size(); ++t) {
    const TensorDecl& decl = lowered.tensors[t];
    const Layout layout = layout_of(stored, decl.name);
    const auto count = static_cast<size_t>(physical_elements(layout, decl.shape));
    // Elements keep their natural alignment: kernels may rely on no more, and no byte is left between the last element
    // and the guard.
    const auto side = (c.seed + t) % 2 == 0 ? base::GuardedBuffer::Side::after : base::GuardedBuffer::Side::before;
    tensors.physical.emplace_back(count * size_of(decl.type), side, size_of(decl.type));
    void* data = tensors.physical.back().data();
    for (size_t i = 0; i < count; ++i) set_element(decl.type, data, i, NAN);
    if (decl.role == Role::input || decl.role == Role::constant)
      permute(decl.type, bounds_of(decl.shape), Layout(), layout, tensors.dense[t].data(), data);
    else
      fill_padding(decl.type, bounds_of(decl.shape), layout, data);
  }
  for (size_t t = 0; t < stored.memory.size(); ++t) {
    const auto host = static_cast<size_t>(stored.memory[t]);
    const TensorDecl& decl = lowered.tensors[t];
    if (host == t) continue;
    store_source(decl.type, bounds_of(decl.shape), layout_of(stored, decl.name), tensors.dense[t].data(),
                 tensors.physical[host].data());
  }
}

std::string compare(const TensorDecl& decl, const std::vector<char>& expected, const std::vector<char>& actual) {
  const size_t size = size_of(decl.type);
  const auto count = static_cast<size_t>(elements_of(decl.shape));
  for (size_t i = 0; i < count; ++i) {
    const char *a = expected.data() + i * size, *b = actual.data() + i * size;
    if (std::memcmp(a, b, size) == 0) continue;
    if (decl.type == DataType::f32) {
      float x, y;
      std::memcpy(&x, a, sizeof x);
      std::memcpy(&y, b, sizeof y);
      if (x == y || (x != x && y != y)) continue;  // +0 and -0: the order of a sum decides; NaN: its class counts
      return decl.name + "[" + std::to_string(i) + "] is " + std::to_string(y) + ", not " + std::to_string(x);
    }
    return decl.name + "[" + std::to_string(i) + "] differs";
  }
  return "";
}

/// Filled padding must be as it was: filling it again changes nothing but undefined padding and
/// what lies past the end of an unfolded axis.
std::string check_padding(const TensorDecl& decl, const Layout& layout, const void* data) {
  if (!layout.has_filled_padding()) return "";
  for (const LayoutStep& step : layout.steps)
    if ((step.kind == LayoutKind::pad && !step.fill) || step.kind == LayoutKind::unfold) return "";
  const auto bytes = static_cast<size_t>(physical_elements(layout, decl.shape)) * size_of(decl.type);
  std::vector<char> again(static_cast<const char*>(data), static_cast<const char*>(data) + bytes);
  again.resize(bytes + 8);
  fill_padding(decl.type, bounds_of(decl.shape), layout, again.data());
  return std::memcmp(again.data(), data, bytes) == 0 ? "" : "padding of " + decl.name + " was overwritten";
}

}  // namespace

void run_interpreter(const Nest& nest, const std::vector<void*>& arguments) {
  interpret(nest, arguments, {}, 0, nest.tasks());
}

Executor with_stale_operand(const Executor& execute) {
  return [execute, stale = std::vector<float>()](const Nest& nest, std::vector<void*> arguments) mutable {
    for (size_t i = 0; i < nest.buffers.size() && stale.empty(); ++i) {
      const Buffer& b = nest.buffers[i];
      if (b.scope != Scope::argument || b.written || b.elements() < 2 || b.type != DataType::f32) continue;
      const auto* data = static_cast<const float*>(arguments[i]);
      stale.assign(data, data + b.elements());
      std::rotate(stale.begin(), stale.begin() + 1, stale.end());
      arguments[i] = stale.data();
    }
    execute(nest, arguments);
  };
}

std::string check(const Case& c, const Executor& execute) {
  Tensors tensors;
  fill_inputs(c, tensors);
  // Rewritings may add tensors behind the Computation's own: every kernel names its arguments.
  Computation lowered = c.computation;
  for (const LoweredKernel& kernel : c.kernels)
    for (size_t i = 0; i < kernel.arguments.size(); ++i)
      while (static_cast<size_t>(kernel.arguments[i]) >= lowered.tensors.size())
        lowered.tensors.push_back(TensorDecl());
  for (const LoweredKernel& kernel : c.kernels) {
    for (size_t i = 0; i < kernel.arguments.size(); ++i) {
      TensorDecl& decl = lowered.tensors[static_cast<size_t>(kernel.arguments[i])];
      if (static_cast<size_t>(kernel.arguments[i]) < c.computation.tensors.size()) continue;
      decl.name = kernel.nest.buffers[i].name;
      decl.type = kernel.nest.buffers[i].type;
      decl.role = Role::intermediate;
      decl.shape.assign(kernel.nest.buffers[i].shape.begin(), kernel.nest.buffers[i].shape.end());
    }
  }
  const StoredLayouts stored = resolve_store_at(c.computation, c.layouts);
  make_physical(c, stored, lowered, tensors);

  std::vector<void*> dense;
  for (auto& memory : tensors.dense) dense.push_back(memory.data());
  evaluate(c.computation, dense, {}, c.math == MathMode::surrogate);
  for (const LoweredKernel& kernel : c.kernels) {
    std::vector<void*> arguments;
    for (size_t i = 0; i < kernel.arguments.size(); ++i) {
      base::GuardedBuffer& memory = tensors.physical[static_cast<size_t>(kernel.arguments[i])];
      memory.protect(!kernel.nest.buffers[i].written);
      arguments.push_back(memory.data());
    }
    execute(kernel.nest, arguments);
    for (const int tensor : kernel.arguments) tensors.physical[static_cast<size_t>(tensor)].protect(false);
  }
  for (const base::GuardedBuffer& memory : tensors.physical) {
    if (!memory.intact()) return "bytes beside a buffer were written";
  }
  for (size_t t = 0; t < c.computation.tensors.size(); ++t) {
    const TensorDecl& decl = c.computation.tensors[t];
    if (decl.role != Role::output) continue;
    const void* physical = tensors.physical[t].data();
    std::vector<char> actual(tensors.dense[t].size());
    permute(decl.type, bounds_of(decl.shape), layout_of(stored, decl.name), Layout(), physical, actual.data());
    std::string difference = compare(decl, tensors.dense[t], actual);
    if (difference.empty()) difference = check_padding(decl, layout_of(stored, decl.name), physical);
    if (!difference.empty()) return difference;
  }
  return "";
}

}  // namespace altrt::property
