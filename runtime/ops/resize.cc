// Resize and Upsample: every output element is a weighted sum of a few input elements a dimension; which ones and with
// what weights is known at load.
#include <algorithm>
#include <cmath>

#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

/// One resized dimension.
struct Dimension {
  int64_t input = 1, output = 1;
  std::optional<double> scale;  // as given; absent: output / input
  double roi_begin = 0, roi_end = 1;

  /// `position` divided by the scale, exact where that is whole.
  double shrink(double position) const {
    return scale ? position / *scale : position * static_cast<double>(input) / static_cast<double>(output);
  }
};

struct Options {
  std::string mode, coordinates, nearest;
  double cubic_a = -0.75, extrapolation = 0;
  bool exclude_outside = false;
};

Options options(const NodeInfo& node) {
  Options o;
  o.mode = node.text("mode", "nearest");
  const bool modern = node.type == "Resize" && node.opset >= 11;
  o.coordinates = modern ? node.text("coordinate_transformation_mode", "half_pixel") : "asymmetric";
  o.nearest = modern ? node.text("nearest_mode", "round_prefer_floor") : "floor";
  o.cubic_a = node.real("cubic_coeff_a", -0.75f);
  o.extrapolation = node.real("extrapolation_value", 0);
  o.exclude_outside = node.integer("exclude_outside", 0) != 0;
  return o;
}

void check(const NodeInfo& node, const char* name, const std::string& value, std::initializer_list<const char*> known) {
  if (std::find(known.begin(), known.end(), value) == known.end()) {
    node.fail(std::string("attribute '") + name + "' is '" + value + "'", ErrorCode::unsupported);
  }
}

/// Input i as doubles, if it is there and not empty.
std::vector<double> optional_floats(const NodeInfo& node, int i, const char* name) {
  if (!node.has_input(i) || element_count(node.input(i).shape) == 0) return {};
  const Operand& operand = require_input(node, i, name, kFloats);
  if (!operand.data) node.fail(std::string("input '") + name + "' is not known at load", ErrorCode::unsupported);
  const int64_t count = element_count(operand.shape);
  if (operand.type == DataType::f32) {
    return std::vector<double>(operand.data->as<float>(), operand.data->as<float>() + count);
  }
  return std::vector<double>(operand.data->as<double>(), operand.data->as<double>() + count);
}

void apply_scales(const NodeInfo& node, const std::vector<double>& scales, const std::vector<int64_t>& axes,
                  std::vector<Dimension>& dimensions) {
  if (scales.size() != axes.size()) {
    node.fail("'scales' has " + std::to_string(scales.size()) + " values, expected " + std::to_string(axes.size()));
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    Dimension& d = dimensions[axes[i]];
    const double extent = static_cast<double>(d.input) * scales[i];
    if (!(scales[i] > 0) || !(extent < 0x1p31)) node.fail("'scales' holds " + std::to_string(scales[i]));
    d.scale = scales[i];
    d.output = static_cast<int64_t>(std::floor(extent));
  }
}

void apply_sizes(const NodeInfo& node, const std::vector<int64_t>& sizes, const std::vector<int64_t>& axes,
                 std::vector<Dimension>& dimensions) {
  if (sizes.size() != axes.size()) {
    node.fail("input 'sizes' has " + std::to_string(sizes.size()) + " values, expected " + std::to_string(axes.size()));
  }
  require_range(node, sizes, 0, "input 'sizes'");
  const std::string policy = node.text("keep_aspect_ratio_policy", "stretch");
  check(node, "keep_aspect_ratio_policy", policy, {"stretch", "not_larger", "not_smaller"});
  double common = policy == "not_larger" ? INFINITY : 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    Dimension& d = dimensions[axes[i]];
    d.output = sizes[i];
    const double scale = static_cast<double>(d.output) / static_cast<double>(d.input);
    common = policy == "not_larger" ? std::min(common, scale) : std::max(common, scale);
  }
  if (policy == "stretch") return;
  for (int64_t axis : axes) {
    Dimension& d = dimensions[axis];
    d.scale = common;
    d.output = static_cast<int64_t>(std::floor(common * static_cast<double>(d.input) + 0.5));
  }
}

std::vector<Dimension> dimensions(const NodeInfo& node) {
  const Shape& shape = node.input(0).shape;
  const size_t rank = shape.size();
  std::vector<Dimension> result(rank);
  std::vector<int64_t> axes;
  for (size_t d = 0; d < rank; ++d) {
    result[d].input = result[d].output = shape[d];
    axes.push_back(static_cast<int64_t>(d));
  }
  if (node.type == "Upsample" && node.opset < 9) {
    const std::vector<float> scales = node.reals("scales", {});
    apply_scales(node, std::vector<double>(scales.begin(), scales.end()), axes, result);
    return result;
  }
  if (node.type == "Upsample" || node.opset < 11) {
    apply_scales(node, optional_floats(node, 1, "scales"), axes, result);
    return result;
  }
  if (node.has_attribute("axes")) axes = distinct_axes(node, node.integers("axes"), rank);
  const std::vector<double> scales = optional_floats(node, 2, "scales");
  if (!scales.empty()) {
    apply_scales(node, scales, axes, result);
  } else {
    apply_sizes(node, node.constant_input(3, "sizes"), axes, result);
  }
  if (options(node).coordinates == "tf_crop_and_resize") {
    const std::vector<double> roi = optional_floats(node, 1, "roi");
    if (roi.size() != 2 * axes.size()) node.fail("input 'roi' has " + std::to_string(roi.size()) + " values");
    for (size_t i = 0; i < axes.size(); ++i) {
      result[axes[i]].roi_begin = roi[i];
      result[axes[i]].roi_end = roi[i + axes.size()];
    }
  }
  return result;
}

std::vector<ResultType> infer_resize(const NodeInfo& node) {
  require_inputs(node, 1, 4);
  const Operand& x = require_input(node, 0, "X", kNumbers);
  const Options o = options(node);
  check(node, "mode", o.mode, {"nearest", "linear", "cubic"});
  check(node, "coordinate_transformation_mode", o.coordinates,
        {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
         "tf_half_pixel_for_nn", "tf_crop_and_resize"});
  check(node, "nearest_mode", o.nearest, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  if (node.integer("antialias", 0)) node.fail("attribute 'antialias' is 1", ErrorCode::unsupported);
  if (o.mode != "nearest" && !is_float(x.type)) node.fail("mode '" + o.mode + "' of integers", ErrorCode::unsupported);
  constexpr int64_t kLongest = int64_t{1} << 24;
  Shape shape;
  int resized = 0;
  for (const Dimension& d : dimensions(node)) {
    if (d.input == 0 && d.output > 0) node.fail("input 'X' has no elements: shape " + to_string(x.shape));
    if (d.output != d.input && d.output > kLongest)
      node.fail("an output extent is beyond 2^24", ErrorCode::unsupported);
    resized += d.output != d.input;
    shape.push_back(d.output);
  }
  if (resized > 3) node.fail("more than three dimensions change", ErrorCode::unsupported);
  return one_result(node, x.type, shape);
}

/// Position in the input, as a real number, of output position x.
double original(const Options& o, const Dimension& d, int64_t x) {
  const double last = static_cast<double>(d.input - 1), position = static_cast<double>(x);
  if (o.coordinates == "asymmetric") return d.shrink(position);
  if (o.coordinates == "tf_half_pixel_for_nn") return d.shrink(position + 0.5);
  if (o.coordinates == "align_corners") {
    return d.output == 1 ? 0 : position * last / static_cast<double>(d.output - 1);
  }
  if (o.coordinates == "tf_crop_and_resize") {
    if (d.output == 1) return 0.5 * (d.roi_begin + d.roi_end) * last;
    return d.roi_begin * last + position * (d.roi_end - d.roi_begin) * last / static_cast<double>(d.output - 1);
  }
  if (o.coordinates == "pytorch_half_pixel" && d.output == 1) return 0;
  double offset = 0;
  if (o.coordinates == "half_pixel_symmetric" && d.scale) {
    const double exact = *d.scale * static_cast<double>(d.input);
    offset = static_cast<double>(d.input) / 2 * (1 - static_cast<double>(d.output) / exact);
  }
  return offset + d.shrink(position + 0.5) - 0.5;
}

/// The input positions and weights of one dimension: taps[t][x] for output position x.
struct Taps {
  std::vector<std::vector<double>> index, weight;  // weight is empty where there is one tap
  std::vector<double> outside;                     // 1 where the output takes the extrapolation value; empty if nowhere
};

double nearest(const std::string& mode, double x) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  return mode == "round_prefer_ceil" ? std::floor(x + 0.5) : std::ceil(x - 0.5);
}

/// Weights of the taps from floor(x) - 1 on (cubic) or from floor(x) on (linear), `fraction` behind floor(x).
std::vector<double> weights(const Options& o, double fraction) {
  if (o.mode == "linear") return {1 - fraction, fraction};
  const double a = o.cubic_a;
  const auto near = [&](double t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
  const auto far = [&](double t) { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a; };
  return {far(fraction + 1), near(fraction), near(1 - fraction), far(2 - fraction)};
}

Taps taps(const Options& o, const Dimension& d) {
  const size_t count = o.mode == "nearest" ? 1 : o.mode == "linear" ? 2 : 4;
  Taps result;
  result.index.assign(count, std::vector<double>(d.output));
  if (count > 1) result.weight = result.index;
  const double last = static_cast<double>(d.input - 1);
  for (int64_t x = 0; x < d.output; ++x) {
    const double position = original(o, d, x);
    if (o.coordinates == "tf_crop_and_resize" && (position < 0 || position > last)) {
      result.outside.resize(d.output);
      result.outside[x] = 1;
    }
    if (count == 1) {
      result.index[0][x] = std::clamp(nearest(o.nearest, position), 0.0, last);
      continue;
    }
    const double first = std::floor(position) - (count == 4 ? 1 : 0);
    std::vector<double> w = weights(o, position - std::floor(position));
    double sum = 0;
    for (size_t t = 0; t < count; ++t) {
      const double index = first + static_cast<double>(t);
      if (o.exclude_outside && (index < 0 || index > last)) w[t] = 0;
      sum += w[t];
      result.index[t][x] = std::clamp(index, 0.0, last);
    }
    for (size_t t = 0; t < count; ++t) result.weight[t][x] = o.exclude_outside ? w[t] / sum : w[t];
  }
  return result;
}

/// An index list as the simplest expression: a whole multiple, a whole fraction, or a table.
Expr index_expression(const std::vector<double>& list, const Expr& x) {
  const auto matches = [&](auto f) {
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i] != static_cast<double>(f(static_cast<int64_t>(i)))) return false;
    }
    return true;
  };
  const int64_t offset = static_cast<int64_t>(list[0]);
  const int64_t step = list.size() > 1 ? static_cast<int64_t>(list[1]) - offset : 0;
  if (matches([&](int64_t i) { return offset + i * step; })) return x * step + offset;
  const int64_t run = std::find_if(list.begin(), list.end(), [&](double v) { return v != list[0]; }) - list.begin();
  if (matches([&](int64_t i) { return offset + i / run; })) return floor_div(x, run) + offset;
  return jit::table(std::make_shared<const std::vector<double>>(list), DataType::i64, x);
}

Expr weight_expression(const std::vector<double>& list, DataType type, const Expr& x) {
  if (std::all_of(list.begin(), list.end(), [&](double w) { return w == list[0]; })) {
    return jit::constant_float(type, list[0]);
  }
  return jit::table(std::make_shared<const std::vector<double>>(list), type, x);
}

/// The weighted sum over the taps of dimensions d and later.
Expr interpolated(Builder& b, const std::vector<Taps>& all, const Exprs& point, Exprs& index, size_t d) {
  if (d == point.size()) return b.at(b.input(0), index);
  const Taps& t = all[d];
  if (t.index.empty()) {
    index[d] = point[d];
    return interpolated(b, all, point, index, d + 1);
  }
  Expr sum;
  for (size_t i = 0; i < t.index.size(); ++i) {
    index[d] = index_expression(t.index[i], point[d]);
    Expr value = interpolated(b, all, point, index, d + 1);
    if (t.weight.empty()) return value;
    const Expr weight = weight_expression(t.weight[i], value->type, point[d]);
    sum = sum ? fma(value, weight, sum) : value * weight;
  }
  return sum;
}

void build_resize(const NodeInfo& node, Builder& b) {
  const Options o = options(node);
  const std::vector<Dimension> dims = dimensions(node);
  const auto axes = b.axes(b.shape(b.output()), dims.size() == 4 ? std::vector<std::string>{"n", "c", "h", "w"}
                                                                 : std::vector<std::string>{});
  if (element_count(b.shape(b.output())) == 0) return;
  const Exprs point = jit::variables(axes);
  std::vector<Taps> all(dims.size());
  Expr outside;
  for (size_t d = 0; d < dims.size(); ++d) {
    const bool crops = o.coordinates == "tf_crop_and_resize" && (dims[d].roi_begin != 0 || dims[d].roi_end != 1);
    if (dims[d].input == dims[d].output && (!dims[d].scale || *dims[d].scale == 1) && !crops) continue;
    all[d] = taps(o, dims[d]);
    if (all[d].outside.empty()) continue;
    const auto list = std::make_shared<const std::vector<double>>(all[d].outside);
    const Expr here = ne(jit::table(list, DataType::i64, point[d]), Expr(0));
    outside = outside ? logical_or(outside, here) : here;
  }
  Exprs index(dims.size());
  Expr value = interpolated(b, all, point, index, 0);
  if (outside) value = select(outside, constant_like(value, o.extrapolation), value);
  b.map(b.output(), axes, value);
}

}  // namespace

const Implementation kResize = {infer_resize, build_resize};
const Implementation kUpsample = {infer_resize, build_resize};

}  // namespace altrt::ops
