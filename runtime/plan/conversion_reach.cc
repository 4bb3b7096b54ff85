#include "runtime/plan/conversion_reach.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "jit/expr/bound_shape.h"

namespace altrt::plan {
namespace {

// Numbers up to here are exact in f32, and converted in a few milliseconds.
constexpr int64_t kMostElements = int64_t{1} << 21;
// Of the elements that arrived so many are looked at, evenly.
constexpr size_t kLooks = 4096;

std::vector<int64_t> physical(const jit::Layout& layout, const std::vector<int64_t>& shape) {
  return jit::bound_shape(jit::physical_shape(layout, {shape.begin(), shape.end()}));
}

// The place of an element that has this number in row-major order.
jit::Box box_of(const std::vector<int64_t>& shape, int64_t element) {
  jit::Box box(shape.size());
  for (size_t d = shape.size(); d-- > 0; element /= shape[d]) box[d] = {element % shape[d], element % shape[d]};
  return box;
}

struct Touched {
  jit::Box from, to;
};

// Converts numbers; what arrives where tells what is read and written.
class Probe {
 public:
  Probe(const std::vector<int64_t>& shape, const jit::Layout& from, const jit::Layout& to)
      : permute(DataType::f32, shape, from, to),
        from_shape(physical(from, shape)),
        to_shape(physical(to, shape)),
        numbers_(static_cast<size_t>(element_count(from_shape))),
        arrived_(static_cast<size_t>(element_count(to_shape))) {
    for (size_t i = 0; i < numbers_.size(); ++i) numbers_[i] = static_cast<float>(i + 1);
  }

  // By the tasks whose digit of extent `extent`, with `below` tasks each, is `digit`.
  Touched touched(int64_t extent, int64_t below, int64_t digit) {
    std::fill(arrived_.begin(), arrived_.end(), std::numeric_limits<float>::quiet_NaN());
    for (int64_t first = digit * below; first < permute.tasks(); first += extent * below)
      permute.run(numbers_.data(), arrived_.data(), first, first + below);
    Touched result;
    const size_t step = arrived_.size() / kLooks | 1;  // odd: no dimension's extent goes into it often
    for (size_t i = 0; i < arrived_.size(); i += step) {
      const float number = arrived_[i];
      if (std::isnan(number)) continue;
      jit::extend(result.to, box_of(to_shape, static_cast<int64_t>(i)));
      const bool padding = number < 1 || std::isinf(number);
      if (!padding) jit::extend(result.from, box_of(from_shape, static_cast<int64_t>(number) - 1));
    }
    return result;
  }

  const jit::Permute permute;
  const std::vector<int64_t> from_shape, to_shape;

 private:
  std::vector<float> numbers_, arrived_;
};

}  // namespace

std::vector<jit::LoopReach> reach(DataType type, const std::vector<int64_t>& shape, const jit::Layout& from,
                                  const jit::Layout& to) {
  if (std::max(element_count(physical(from, shape)), element_count(physical(to, shape))) > kMostElements) return {};
  Probe probe(shape, from, to);
  const auto bytes = static_cast<int64_t>(size_of(type));
  std::vector<jit::LoopReach> result;
  int64_t below = probe.permute.tasks();
  for (const int64_t extent : probe.permute.task_extents()) {
    if (extent == 1) continue;
    below /= extent;
    const Touched first = probe.touched(extent, below, 0), last = probe.touched(extent, below, extent - 1);
    result.push_back({extent,
                      {jit::reach_between(probe.from_shape, bytes, first.from, last.from),
                       jit::reach_between(probe.to_shape, bytes, first.to, last.to)}});
  }
  return result;
}

}  // namespace altrt::plan
