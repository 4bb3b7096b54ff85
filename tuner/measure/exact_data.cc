#include "tuner/measure/exact_data.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <span>

#include "jit/compile/stage_loops.h"
#include "jit/expr/algorithms.h"
#include "jit/expr/bound_shape.h"
#include "jit/expr/math.h"
#include "jit/expr/scalar.h"

namespace altrt::tuner {
namespace {

template <typename T>
void fill(Tensor& tensor, std::mt19937_64& random, int64_t low, int64_t high, int64_t scale) {
  T* data = tensor.as<T>();
  const int64_t count = element_count(tensor.shape());
  const auto span = static_cast<uint64_t>(high - low + 1);
  for (int64_t i = 0; i < count; ++i) {
    data[i] = static_cast<T>((low + static_cast<int64_t>((random() >> 33) % span)) * scale);
  }
}

// No value is 0 or 1 modulo 8: a sum of products with small weights that misses one term differs, and so does one with
// a factor in an addend's place, even where stand-ins fold them to numbers below 16.
template <typename T>
void fill_visible(Tensor& tensor, std::mt19937_64& random, int64_t largest) {
  T* data = tensor.as<T>();
  const int64_t count = element_count(tensor.shape());
  const auto hides = [](int64_t value) { return value % 8 == 0 || (value - 1) % 8 == 0; };
  for (int64_t i = 0; i < count; ++i) {
    int64_t value = 0;
    while (hides(value)) {
      value = static_cast<int64_t>((random() >> 33) % static_cast<uint64_t>(2 * largest + 1)) - largest;
    }
    data[i] = static_cast<T>(value);
  }
}

// 1 and -1: no element hides behind a zero.
void fill_signs(Tensor& tensor, std::mt19937_64& random) {
  for (int64_t i = 0; i < element_count(tensor.shape()); ++i) tensor.as<float>()[i] = random() >> 63 ? 1 : -1;
}

// Some six input channels of weights that are not zero for each output channel and tap.
void fill_sparse(Tensor& tensor, std::mt19937_64& random, int64_t scale) {
  const int64_t channels = tensor.shape()[1];
  float* data = tensor.as<float>();
  for (int64_t i = 0; i < element_count(tensor.shape()); ++i) {
    const bool zero = static_cast<int64_t>((random() >> 33) % static_cast<uint64_t>(channels)) >= 6;
    data[i] = static_cast<float>(zero ? 0 : (random() >> 63 ? scale : -scale));
  }
}

// The smallest extent that an index computed from data runs over; 2 if there is none.
int64_t index_limit(const jit::Computation& c) {
  int64_t limit = 2;
  for (const jit::Stage& stage : c.stages) {
    for (const jit::Expr& e : jit::stage_accesses(stage)) {
      for (size_t d = 0; d < e->args.size(); ++d) {
        bool opaque = false;
        jit::visit(e->args[d], [&](const jit::Expr& node) { opaque |= node.is(jit::ExprKind::access); });
        if (opaque) limit = std::min(limit, c.tensors[static_cast<size_t>(e->id)].shape[d].bound);
      }
    }
  }
  return std::max<int64_t>(limit, 1);
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kExact = 1 << 24;  // the integers up to here are floats
constexpr int64_t kLargestWeight = 3;
constexpr int64_t kLargestExact = 1023;
constexpr int64_t kLargestRounded = 63;  // of inputs where elementary functions would map all larger ones to the same

/// How large partial results become: an upper bound for the real operations and for their stand-ins.
class Magnitudes {
 public:
  /// Where no input and no constant vector is larger than `largest`; `weights`: the tensor of the anchor's weights.
  Magnitudes(const jit::Computation& c, int weights, int64_t largest) : tensors_(c.tensors.size(), 0) {
    for (size_t t = 0; t < c.tensors.size(); ++t) {
      tensors_[t] = static_cast<double>(static_cast<int>(t) == weights ? kLargestWeight : largest);
    }
    for (const jit::Stage& stage : c.stages) add(stage);
  }
  double largest() const { return largest_; }

 private:
  void add(const jit::Stage& stage) {
    double terms = 1;
    for (const jit::Axis& axis : stage.reduce) terms *= static_cast<double>(axis.extent.bound);
    std::vector<double> state;
    for (const jit::StateValue& value : stage.state) state.push_back(reduced(value.update, terms));
    set_state(std::move(state));
    for (size_t i = 0; i < stage.results.size(); ++i) {
      tensors_[static_cast<size_t>(stage.outputs[i])] = of(stage.results[i]);
    }
  }
  // A sum or a maximum; nothing is known of other states.
  double reduced(const jit::Expr& update, double terms) {
    using jit::ExprKind;
    const auto is_state = [](const jit::Expr& e) { return e.is(ExprKind::state); };
    const jit::Exprs& args = update->args;
    if (!jit::is_float(update->type)) return 0;
    set_state(std::vector<double>(kMostStates, 0));
    const double once = of(update);
    if (update.is(ExprKind::max) || update.is(ExprKind::min)) {
      return is_state(args[0]) || is_state(args[1]) ? once : note(kInfinity);
    }
    const bool is_sum = (update.is(ExprKind::add) && (is_state(args[0]) || is_state(args[1]))) ||
                        (update.is(ExprKind::fma) && is_state(args[2]));
    return note(is_sum ? terms * once : kInfinity);
  }
  void set_state(std::vector<double> state) {
    state_ = std::move(state);
    known_.clear();
  }
  double note(double value) {
    largest_ = std::max(largest_, value);
    return value;
  }
  double of(const jit::Expr& e) {
    const auto known = known_.find(e.get());
    if (known != known_.end()) return known->second;
    return known_[e.get()] = note(computed(e));
  }
  double computed(const jit::Expr& e) {
    using jit::ExprKind;
    if (!jit::is_float(e->type)) return 0;
    std::vector<double> args;
    for (const jit::Expr& arg : e->args) args.push_back(e.is(ExprKind::access) ? 0 : of(arg));
    switch (e->kind) {
      case ExprKind::constant:  // neutral elements of maxima are no results
        return std::abs(e->float_value) <= kExact ? std::ceil(std::abs(e->float_value)) : 0;
      case ExprKind::access:
        return tensors_[static_cast<size_t>(e->id)];
      case ExprKind::state:
        return state_.at(static_cast<size_t>(e->id));
      case ExprKind::add:
      case ExprKind::sub:
        return args[0] + args[1];
      case ExprKind::mul:
        return product(e, args);
      case ExprKind::fma:
        return product(e, args) + args[2];
      case ExprKind::min:
      case ExprKind::max:
        return std::max(args[0], args[1]);
      case ExprKind::select:
        return std::max(args[1], args[2]);
      case ExprKind::neg:
      case ExprKind::abs:
      case ExprKind::floor:
      case ExprKind::ceil:
      case ExprKind::round_even:
        return args[0];
      case ExprKind::div:
      case ExprKind::sqrt:
      case ExprKind::exp:
      case ExprKind::log:
      case ExprKind::tanh:
      case ExprKind::erf:
      case ExprKind::sigmoid:
      case ExprKind::call:
        return kStandIn;
      case ExprKind::table:
        return std::accumulate(e->table->begin(), e->table->end(), 0.0,
                               [](double most, double value) { return std::max(most, std::ceil(std::abs(value))); });
      default:
        return kInfinity;
    }
  }
  // Those with fractional constants have stand-ins.
  static double product(const jit::Expr& e, const std::vector<double>& args) {
    const bool by_constant = e->args[0].is(jit::ExprKind::constant) || e->args[1].is(jit::ExprKind::constant);
    return std::max(by_constant ? kStandIn : 0, args[0] * args[1]);
  }

  static constexpr double kStandIn = 16;
  static constexpr size_t kMostStates = 3;
  std::vector<double> tensors_, state_;
  std::map<const void*, double> known_;  // of expressions, as long as the state is the same
  double largest_ = 0;
};

// The more different values, the fewer faults go unseen; never fewer than from -2 to 2. Strassen's sums are larger than
// those of the definition.
int64_t largest_input(const jit::Computation& c) {
  std::vector<jit::Computation> forms{c};
  if (jit::strassen_fits(c)) forms.push_back(jit::strassen(c));
  for (int64_t largest = is_exact(c) ? kLargestExact : kLargestRounded; largest > 2; largest /= 2) {
    if (std::all_of(forms.begin(), forms.end(), [&](const jit::Computation& form) {
          return Magnitudes(form, c.anchor.weights, largest).largest() <= kExact;
        }))
      return largest;
  }
  return 2;
}

template <typename T>
double float_error(const Tensor& result, const Tensor& reference) {
  const T* a = result.as<T>();
  const T* b = reference.as<T>();
  const int64_t count = element_count(reference.shape());
  double error = 0, size = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double x = a[i], y = b[i];
    if (!std::isfinite(x) || !std::isfinite(y)) {
      if (std::isnan(x) != std::isnan(y) || (!std::isnan(x) && x != y)) return std::numeric_limits<double>::infinity();
      continue;
    }
    error += (x - y) * (x - y);
    size += y * y;
  }
  if (error == 0) return 0;
  return size == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(error / size);
}

}  // namespace

Data exact_data(const jit::Computation& c, bool winograd, uint64_t seed) {
  const int64_t most = largest_input(c);
  Data data;
  std::mt19937_64 random(seed);
  const int64_t limit = index_limit(c);
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    const jit::TensorDecl& tensor = c.tensors[t];
    if (tensor.role != jit::Role::input && tensor.role != jit::Role::constant) continue;
    Tensor& made = data[tensor.name] = Tensor(tensor.type, jit::bound_shape(tensor.shape));
    const bool is_weights = static_cast<int>(t) == c.anchor.weights, is_data = static_cast<int>(t) == c.anchor.data;
    const int64_t largest = is_weights ? kLargestWeight : most;
    if (winograd && tensor.type == DataType::f32) {
      if (is_weights) fill_sparse(made, random, 576);
      if (is_data) fill_signs(made, random);
      if (!is_weights && !is_data) fill<float>(made, random, -2, 2, 64);
      continue;
    }
    switch (tensor.type) {
      case DataType::f32:
        fill_visible<float>(made, random, largest);
        break;
      case DataType::f64:
        fill_visible<double>(made, random, largest);
        break;
      case DataType::i64:
        fill<int64_t>(made, random, 0, limit - 1, 1);
        break;
      case DataType::i32:
        fill<int32_t>(made, random, 0, limit - 1, 1);
        break;
      case DataType::i8:
      case DataType::u8:
        fill<uint8_t>(made, random, 0, limit - 1, 1);
        break;
      case DataType::boolean:
        fill<uint8_t>(made, random, 0, 1, 1);
        break;
    }
  }
  return data;
}

bool is_exact(const jit::Computation& c) {
  const auto same = [](const jit::Expr& e) { return !e || jit::equal(jit::surrogate_math(e), e); };
  for (const jit::Stage& stage : c.stages) {
    for (const jit::StateValue& value : stage.state) {
      if (!same(value.init) || !same(value.update) || !same(value.combine)) return false;
    }
    if (!std::all_of(stage.results.begin(), stage.results.end(), same)) return false;
  }
  return true;
}

namespace {

int64_t longest_reduction(const jit::Computation& c) {
  int64_t terms = 1;
  for (const jit::Stage& stage : c.stages) {
    int64_t points = 1;
    for (const jit::Axis& axis : stage.reduce) points *= axis.extent.bound;
    terms = std::max(terms, points);
  }
  return terms;
}

// By which inputs are multiplied so that elementary functions map them to different values: sums of products are of
// the order of 1 then.
float small_scale(const jit::Computation& c) {
  const auto largest = static_cast<float>(largest_input(c));
  const float size =
      c.anchor.weights >= 0 ? largest * std::sqrt(static_cast<float>(longest_reduction(c))) : largest / 4;
  return std::exp2(-std::round(std::log2(size)));
}

// Calls f(element) for those of all float inputs.
template <typename F>
void for_inputs(const jit::Computation& c, Data& data, const F& f) {
  for (const int input : c.with_role(jit::Role::input)) {
    Tensor& tensor = data.at(c.tensors[static_cast<size_t>(input)].name);
    if (tensor.type() != DataType::f32) continue;
    f(std::span(tensor.as<float>(), static_cast<size_t>(element_count(tensor.shape()))));
  }
}

}  // namespace

Data with_nan(const jit::Computation& c, Data data, bool sparse, uint64_t seed) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinite = std::numeric_limits<float>::infinity();
  std::mt19937_64 random(seed);
  const int64_t terms = longest_reduction(c);
  const bool may_be_infinite =
      std::all_of(c.stages.begin(), c.stages.end(), [](const jit::Stage& stage) { return stage.state.size() <= 1; });
  const float scale = is_exact(c) ? -1 : -small_scale(c);
  for_inputs(c, data, [&](std::span<float> elements) {
    const auto count = static_cast<int64_t>(elements.size());
    const auto gap = static_cast<uint64_t>(sparse ? std::max<int64_t>(20, std::min(3 * terms, count / 4)) : 9);
    auto left = random() % gap;
    for (float& element : elements) {
      element = left > 0                           ? element * scale
                : random() % 3 || !may_be_infinite ? kNan
                                                   : std::copysign(kInfinite, element);
      left = left == 0 ? (random() >> 33) % gap : left - 1;
    }
  });
  return data;
}

Data with_small_inputs(const jit::Computation& c, Data data) {
  const float scale = small_scale(c);
  for_inputs(c, data, [&](std::span<float> elements) {
    for (float& element : elements) element *= scale;
  });
  return data;
}

Data with_outliers(const jit::Computation& c, Data data, uint64_t seed) {
  constexpr float kOutlier = 200;
  constexpr uint64_t kGap = 32;
  std::mt19937_64 random(seed);
  for_inputs(c, data, [&](std::span<float> elements) {
    for (float& element : elements) {
      if ((random() >> 33) % kGap == 0) element = std::copysign(kOutlier, element);
    }
  });
  return data;
}

bool can_lose_nan(const jit::Computation& c) {
  using jit::ExprKind;
  bool can = false, clear = true;
  const auto look = [&](const jit::Expr& e, bool in_reduction) {
    if (!e) return;
    jit::visit(e, [&](const jit::Expr& node) {
      const bool to_float = jit::is_float(node->type);
      const bool from_float = !node->args.empty() && jit::is_float(node->args[0]->type);
      const bool compares =
          node.is(ExprKind::eq) || node.is(ExprKind::ne) || node.is(ExprKind::lt) || node.is(ExprKind::le);
      const bool elementary = node.is(ExprKind::exp) || node.is(ExprKind::log) || node.is(ExprKind::tanh) ||
                              node.is(ExprKind::erf) || node.is(ExprKind::sigmoid) || node.is(ExprKind::call);
      can |= to_float && (node.is(ExprKind::max) || node.is(ExprKind::min) || elementary);
      can |= from_float && compares;
      clear &= !(in_reduction && from_float && compares);
      clear &= !(from_float && !to_float && (node.is(ExprKind::cast) || node.is(ExprKind::bitcast)));
    });
  };
  for (const jit::Stage& stage : c.stages) {
    for (const jit::StateValue& value : stage.state) {
      look(value.update, true);
      look(value.combine, true);
    }
    for (const jit::Expr& result : stage.results) look(result, false);
  }
  return can && clear;
}

double relative_error(const Tensor& result, const Tensor& reference) {
  if (reference.type() == DataType::f32) return float_error<float>(result, reference);
  if (reference.type() == DataType::f64) return float_error<double>(result, reference);
  const bool equal = std::memcmp(result.data(), reference.data(), reference.bytes()) == 0;
  return equal ? 0 : std::numeric_limits<double>::infinity();
}

}  // namespace altrt::tuner
