#include "tests/property/harness.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

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

/// What the kernels of a case run on: tensors dense in logical order, and physical between guard pages.
struct Memory {
  Computation computation;  // with the tensors that rewritings add
  StoredLayouts stored;
  std::vector<std::vector<char>> dense;
  std::vector<base::GuardedBuffer> physical;
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool skips(const Schedule& schedule) {
  return std::any_of(schedule.stages.begin(), schedule.stages.end(),
                     [](const auto& entry) { return has_step(entry.second, LoopStepKind::skip); });
}

/// Calls value(tensor) for every element of inputs and constants; the others are NaN.
void fill(Memory& memory, const std::function<double(const TensorDecl&)>& value) {
  for (const TensorDecl& decl : memory.computation.tensors) {
    const auto count = static_cast<size_t>(elements_of(decl.shape));
    std::vector<char>& dense = memory.dense.emplace_back(count * size_of(decl.type) + 8);
    const bool is_input = decl.role == Role::input || decl.role == Role::constant;
    for (size_t i = 0; i < count; ++i) set_element(decl.type, dense.data(), i, is_input ? value(decl) : NAN);
  }
}

/// Small integers, in odd sets not quite so small where that stays exact. Every eighth case may hold NaN, by the number
/// of the set in few elements, in many or in none: what is never written is NaN too. In odd sets half of those of
/// inputs are infinite.
void fill_exactly(const Case& c, int set, Memory& memory) {
  Random random(c.seed + 17 + 0x5e7 * static_cast<uint64_t>(set));
  const bool may_skip = skips(c.schedule), is_transformed = c.kind == "transformed";
  const int64_t largest = set % 2 == 0 || is_transformed ? 4 : 16;
  const bool has_infinities = set % 2 != 0;
  const int nan_percent = std::array{4, 0, 20, 12, 60}[static_cast<size_t>(set) % 5];
  fill(memory, [&](const TensorDecl& decl) {
    const bool is_constant = decl.role == Role::constant;
    // NaN keeps its class through sums and maxima in any order; not through comparisons, nor where zeros of a table
    // vanish, nor beside a zero that is skipped.
    const bool may_vanish = c.kind == "arg_max" || is_transformed || (is_constant && may_skip);
    const bool has_nan = c.seed % 8 == 5 && !may_vanish && decl.type == DataType::f32;
    if (has_nan && random.chance(nan_percent)) {
      const bool infinite = has_infinities && !is_constant && random.chance(50);
      return infinite ? std::copysign(kInfinity, random.in(0, 1) - 0.5) : static_cast<double>(NAN);
    }
    const int64_t most = is_constant ? 4 : largest;
    return static_cast<double>(random.in(-most, most) * (is_constant && is_transformed ? 4 : 1));
  });
}

/// Numbers of all sizes, some of them 0; in every other set inputs are NaN or infinite here and there.
void fill_freely(const Case& c, int set, Memory& memory) {
  Random random(c.seed * 31 + static_cast<uint64_t>(set));
  const double scale = std::pow(30.0, set % 3);
  fill(memory, [&](const TensorDecl& decl) {
    const double number = static_cast<double>(random.in(-1000, 1000)) / 256 * scale;
    if (decl.type != DataType::f32) return static_cast<double>(random.in(-4, 4));
    if (!random.chance(12)) return number;
    if (decl.role != Role::input || set % 2 == 0) return 0.0;
    return random.pick(std::vector<double>{0.0, -0.0, kInfinity, -kInfinity, NAN});
  });
}

/// Physical copy of every tensor that a kernel touches; outputs hold NaN outside their filled padding.
void make_physical(uint64_t seed, Memory& memory) {
  const Computation& lowered = memory.computation;
  const StoredLayouts& stored = memory.stored;
  for (size_t t = 0; t < lowered.tensors.size(); ++t) {
    const TensorDecl& decl = lowered.tensors[t];
    const Layout layout = layout_of(stored, decl.name);
    const auto count = static_cast<size_t>(physical_elements(layout, decl.shape));
    // Elements keep their natural alignment: kernels may rely on no more, and no byte is left between the last element
    // and the guard.
    const auto side = (seed + t) % 2 == 0 ? base::GuardedBuffer::Side::after : base::GuardedBuffer::Side::before;
    memory.physical.emplace_back(count * size_of(decl.type), side, size_of(decl.type));
    void* data = memory.physical.back().data();
    for (size_t i = 0; i < count; ++i) set_element(decl.type, data, i, NAN);
    if (decl.role == Role::input || decl.role == Role::constant)
      permute(decl.type, bounds_of(decl.shape), Layout(), layout, memory.dense[t].data(), data);
    else
      fill_padding(decl.type, bounds_of(decl.shape), layout, data);
  }
  for (size_t t = 0; t < stored.memory.size(); ++t) {
    const auto host = static_cast<size_t>(stored.memory[t]);
    const TensorDecl& decl = lowered.tensors[t];
    if (host == t) continue;
    store_source(decl.type, bounds_of(decl.shape), layout_of(stored, decl.name), memory.dense[t].data(),
                 memory.physical[host].data());
  }
}

std::string compare(const TensorDecl& decl, const std::vector<char>& expected, const std::vector<char>& actual,
                    double rounding = 0) {
  const size_t size = size_of(decl.type);
  const auto count = static_cast<size_t>(elements_of(decl.shape));
  const auto number = [](const std::vector<char>& bytes, size_t i) {
    float value = 0;
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
    return value;
  };
  double tolerance = 0;
  for (size_t i = 0; rounding > 0 && decl.type == DataType::f32 && i < count; ++i) {
    const double magnitude = std::fabs(number(expected, i));
    if (std::isfinite(magnitude)) tolerance = std::max(tolerance, rounding * magnitude);
  }
  for (size_t i = 0; i < count; ++i) {
    if (std::memcmp(expected.data() + i * size, actual.data() + i * size, size) == 0) continue;
    if (decl.type != DataType::f32) return decl.name + "[" + std::to_string(i) + "] differs";
    const float x = number(expected, i), y = number(actual, i);
    if (x == y || (x != x && y != y)) continue;  // +0 and -0: the order of a sum decides; NaN: its class counts
    if (std::fabs(static_cast<double>(x) - y) <= tolerance) continue;
    return decl.name + "[" + std::to_string(i) + "] is " + std::to_string(y) + ", not " + std::to_string(x);
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

namespace {

/// Rewritings may add tensors behind the Computation's own: every kernel names its arguments.
Computation with_added_tensors(const Case& c) {
  Computation lowered = c.computation;
  const size_t own = c.computation.tensors.size();
  for (const LoweredKernel& kernel : c.kernels) {
    for (size_t i = 0; i < kernel.arguments.size(); ++i) {
      const auto tensor = static_cast<size_t>(kernel.arguments[i]);
      if (tensor < own) continue;
      if (tensor >= lowered.tensors.size()) lowered.tensors.resize(tensor + 1);
      TensorDecl& decl = lowered.tensors[tensor];
      decl.name = kernel.nest.buffers[i].name;
      decl.type = kernel.nest.buffers[i].type;
      decl.role = Role::intermediate;
      decl.shape.assign(kernel.nest.buffers[i].shape.begin(), kernel.nest.buffers[i].shape.end());
    }
  }
  return lowered;
}

Memory memory_of(const Case& c, const std::function<void(Memory&)>& fill) {
  Memory memory{with_added_tensors(c), resolve_store_at(c.computation, c.layouts), {}, {}};
  fill(memory);
  make_physical(c.seed, memory);
  return memory;
}

/// Runs all kernels; false if one wrote beside a buffer.
bool run(const Case& c, const Executor& execute, Memory& memory) {
  for (const LoweredKernel& kernel : c.kernels) {
    std::vector<void*> arguments;
    for (size_t i = 0; i < kernel.arguments.size(); ++i) {
      base::GuardedBuffer& buffer = memory.physical[static_cast<size_t>(kernel.arguments[i])];
      buffer.protect(!kernel.nest.buffers[i].written);
      arguments.push_back(buffer.data());
    }
    execute(kernel.nest, arguments);
    for (const int tensor : kernel.arguments) memory.physical[static_cast<size_t>(tensor)].protect(false);
  }
  return std::all_of(memory.physical.begin(), memory.physical.end(),
                     [](const base::GuardedBuffer& buffer) { return buffer.intact(); });
}

/// What the kernels made of a tensor, in logical order.
std::vector<char> made(const Memory& memory, size_t tensor) {
  const TensorDecl& decl = memory.computation.tensors[tensor];
  std::vector<char> result(memory.dense[tensor].size());
  permute(decl.type, bounds_of(decl.shape), layout_of(memory.stored, decl.name), Layout(),
          memory.physical[tensor].data(), result.data());
  return result;
}

}  // namespace

std::string check(const Case& c, const Executor& execute, int set) {
  Memory memory = memory_of(c, [&](Memory& m) { fill_exactly(c, set, m); });
  std::vector<void*> dense;
  for (size_t t = 0; t < c.computation.tensors.size(); ++t) dense.push_back(memory.dense[t].data());
  evaluate(c.computation, dense, {}, c.math == MathMode::surrogate);
  if (!run(c, execute, memory)) return "bytes beside a buffer were written";
  for (const int output : c.computation.with_role(Role::output)) {
    const auto t = static_cast<size_t>(output);
    const TensorDecl& decl = c.computation.tensors[t];
    std::string difference = compare(decl, memory.dense[t], made(memory, t));
    if (difference.empty()) {
      difference = check_padding(decl, layout_of(memory.stored, decl.name), memory.physical[t].data());
    }
    if (!difference.empty()) return difference;
  }
  return "";
}

std::string check_alike(const Case& c, const Executor& execute, const Executor& reference, int set, double rounding) {
  const auto fill = [&](Memory& m) { fill_freely(c, set, m); };
  Memory expected = memory_of(c, fill), found = memory_of(c, fill);
  if (!run(c, reference, expected)) throw Error(ErrorCode::internal, "the reference writes beside its buffers");
  if (!run(c, execute, found)) return "bytes beside a buffer were written";
  for (const int output : c.computation.with_role(Role::output)) {
    const auto t = static_cast<size_t>(output);
    const TensorDecl& decl = c.computation.tensors[t];
    std::string difference = compare(decl, made(expected, t), made(found, t), rounding);
    if (difference.empty()) {
      difference = check_padding(decl, layout_of(found.stored, decl.name), found.physical[t].data());
    }
    if (!difference.empty()) return difference;
  }
  return "";
}

}  // namespace altrt::property
