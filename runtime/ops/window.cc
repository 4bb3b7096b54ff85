#include "runtime/ops/window.h"

#include <algorithm>

namespace altrt::ops {
namespace {

std::vector<int64_t> per_dimension(const NodeInfo& node, const std::string& name, size_t rank) {
  std::vector<int64_t> values = node.integers(name, std::vector<int64_t>(rank, 1));
  if (values.size() != rank) {
    node.fail("attribute '" + name + "' has " + std::to_string(values.size()) + " values, expected " +
              std::to_string(rank));
  }
  require_range(node, values, 1, "attribute '" + name + "'");
  return values;
}

std::vector<std::string> last_names(const char* const (&names)[3], size_t rank) {
  return std::vector<std::string>(names + 3 - rank, names + 3);
}

}  // namespace

std::vector<int64_t> Window::pads() const {
  std::vector<int64_t> result = begins;
  result.insert(result.end(), ends.begin(), ends.end());
  return result;
}

std::vector<std::string> spatial_names(size_t rank) { return last_names({"d", "h", "w"}, rank); }
std::vector<std::string> kernel_names(size_t rank) { return last_names({"kd", "kh", "kw"}, rank); }

Shape spatial_extents(const NodeInfo& node, const Operand& x) {
  if (x.shape.size() < 3 || x.shape.size() > 5) {
    node.fail("input 'X' has shape " + to_string(x.shape) + "; one to three spatial dimensions are supported",
              x.shape.size() < 3 ? ErrorCode::invalid_model : ErrorCode::unsupported);
  }
  return Shape(x.shape.begin() + 2, x.shape.end());
}

std::vector<int64_t> padding_attribute(const NodeInfo& node, size_t rank) {
  std::vector<int64_t> pads = node.integers("pads", std::vector<int64_t>(2 * rank, 0));
  if (pads.size() != 2 * rank) {
    node.fail("attribute 'pads' has " + std::to_string(pads.size()) + " values, expected " + std::to_string(2 * rank));
  }
  require_range(node, pads, 0, "attribute 'pads'");
  return pads;
}

Window plain_window(const NodeInfo& node, const Shape& input, const std::vector<int64_t>& kernel) {
  const size_t rank = input.size();
  if (kernel.size() != rank) {
    node.fail("the kernel has " + std::to_string(kernel.size()) + " spatial dimensions, the input " +
              std::to_string(rank));
  }
  require_range(node, kernel, 1, "the kernel's shape");
  require_range(node, input, 0, "the input's shape");
  Window window;
  window.kernel = kernel;
  window.input = input;
  window.strides = per_dimension(node, "strides", rank);
  window.dilations = per_dimension(node, "dilations", rank);
  window.begins.assign(rank, 0);
  window.ends.assign(rank, 0);
  return window;
}

Window sliding_window(const NodeInfo& node, const Shape& input, const std::vector<int64_t>& kernel, bool ceil) {
  Window w = plain_window(node, input, kernel);
  const size_t rank = input.size();
  const std::string automatic = node.text("auto_pad", "NOTSET");
  if (automatic == "NOTSET") {
    const std::vector<int64_t> pads = padding_attribute(node, rank);
    w.begins.assign(pads.begin(), pads.begin() + rank);
    w.ends.assign(pads.begin() + rank, pads.end());
  } else if (automatic != "VALID" && automatic != "SAME_UPPER" && automatic != "SAME_LOWER") {
    node.fail("attribute 'auto_pad' is '" + automatic + "'");
  }
  for (size_t d = 0; d < rank; ++d) {
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      const int64_t windows = (input[d] + w.strides[d] - 1) / w.strides[d];
      const int64_t total = std::max<int64_t>(0, (windows - 1) * w.strides[d] + w.reach(d) - input[d]);
      w.begins[d] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.ends[d] = total - w.begins[d];
    }
    const int64_t room = input[d] + w.begins[d] + w.ends[d] - w.reach(d);
    if (room < 0) {
      node.fail("the kernel covers " + std::to_string(w.reach(d)) + " elements of spatial dimension " +
                std::to_string(d) + ", which has " + std::to_string(room + w.reach(d)) + " with padding");
    }
    int64_t extent = (ceil ? room + w.strides[d] - 1 : room) / w.strides[d] + 1;
    if (ceil && (extent - 1) * w.strides[d] >= input[d] + w.begins[d]) --extent;
    w.output.push_back(extent);
  }
  return w;
}

Tap window_tap(const Window& w, const Exprs& output, const Exprs& kernel) {
  Tap tap;
  for (size_t d = 0; d < w.rank(); ++d) {
    const Expr index = output[d] * w.strides[d] + kernel[d] * w.dilations[d] - w.begins[d];
    const int64_t least = -w.begins[d];
    const int64_t greatest = (w.output[d] - 1) * w.strides[d] + (w.kernel[d] - 1) * w.dilations[d] - w.begins[d];
    tap.index.push_back(index);
    tap.valid = inside(tap.valid, index, least, greatest, w.input[d]);
  }
  return tap;
}

}  // namespace altrt::ops
