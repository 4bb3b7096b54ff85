#include "runtime/graph/layouts.h"

#include <algorithm>
#include <map>
#include <utility>

#include "jit/compile/stage_loops.h"
#include "jit/compile/templates.h"
#include "runtime/graph/image_layout.h"

namespace altrt::graph {

namespace {

using jit::AnchorKind;
using jit::Computation;
using jit::Layout;
using jit::Role;

constexpr int64_t kBlock = 16;  // channels a block: one AVX-512 or two AVX2 vectors of f32

int64_t power_of_two_divisor(int64_t n) {
  int64_t block = 1;
  while (block < kBlock && n % (block * 2) == 0) block *= 2;
  return block;
}

// Channels a block for a convolution's output.
int64_t conv_block(const Computation& c) {
  const int64_t channels = c.tensors[c.stages[c.anchor.stage].outputs[0]].shape[1].bound;
  const bool depthwise = c.tensors[c.anchor.data].shape[1].bound == c.anchor.groups;
  if (c.anchor.groups > 1 && !depthwise) {
    const int64_t outputs = channels / c.anchor.groups;
    if (jit::groups_share_vector(c, kBlock)) return kBlock;
    const int64_t block = power_of_two_divisor(outputs);
    return block >= 4 ? block : 1;
  }
  return channels <= 8 ? 8 : kBlock;
}

class Chooser {
 public:
  Chooser(const Graph& graph, const std::vector<Group>& groups, const jit::Target& target)
      : graph_(graph),
        groups_(groups),
        target_(target),
        images_(graph.values.size()),
        row_padding_(graph.values.size()),
        is_output_(graph.values.size()) {
    for (const int v : graph.outputs) is_output_[v] = true;
  }

  /// GPUs: row-major, until measuring says otherwise.
  Decisions row_major() const {
    Decisions decisions;
    for (const Group& group : groups_) {
      if (group.host) {
        decisions.emplace_back().provider = "host";
      } else {
        decisions.push_back(jit::default_decision(group.computation, target_, {}));
      }
    }
    return decisions;
  }

  Decisions choose() {
    if (target_.is_gpu()) return row_major();
    for (const Group& group : groups_) choose_blocks(group);
    for (const Group& group : groups_) {
      want_borders(group);
      want_row_padding(group);
    }
    Decisions decisions;
    for (const Group& group : groups_) decisions.push_back(decide(group));
    return decisions;
  }

 private:
  // Headed by a convolution, or by a transposed one without groups.
  static bool heads_image(const Group& group) {
    const Computation& c = group.computation;
    const bool kind = c.anchor.kind == AnchorKind::conv || (c.anchor.groups == 1 && jit::phases_fit(c));
    return !group.host && c.anchor.stage >= 0 && kind && c.anchor.data >= 0 &&
           group.tensor_values[c.anchor.data] >= 0 && c.tensors[c.anchor.data].type == DataType::f32;
  }

  const Shape& shape(int value) const { return graph_.values[value].shape; }
  bool from_outside(int value) const {
    return graph_.values[value].is_constant() ||
           std::find(graph_.inputs.begin(), graph_.inputs.end(), value) != graph_.inputs.end();
  }

  void choose_blocks(const Group& group) {
    const Computation& c = group.computation;
    if (group.host) return;
    int64_t block = 1;
    if (heads_image(group)) {
      const int data = group.tensor_values[c.anchor.data];
      // A value that nothing image-like made still gets blocks when a convolution reads it.
      if (!from_outside(data) && images_[data].block == 1 && shape(data)[1] >= 8) images_[data].block = kBlock;
      block = conv_block(c);
      if (c.tensors[c.anchor.data].shape[1].bound == c.anchor.groups && c.anchor.groups > 1 &&
          images_[data].block > 1) {
        block = images_[data].block;
      }
    } else {
      block = inherited_block(group);
    }
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      const int value = group.tensor_values[t];
      if (value < 0 || c.tensors[t].role != Role::output || !is_image(shape(value))) continue;
      if (c.tensors[t].type == DataType::f32 && !is_output_[value]) images_[value].block = block;
    }
  }

  // The block of an operand that the group reads point by point, so that vectors stay whole.
  int64_t inherited_block(const Group& group) const {
    const Computation& c = group.computation;
    if (c.stages.size() != 1) return 1;
    const jit::Stage& stage = c.stages[0];
    if (stage.axes.size() < 3) return 1;
    int64_t block = 1;
    for (const jit::Expr& e : jit::stage_accesses(stage)) {
      const int value = group.tensor_values[e->id];
      if (value < 0 || images_[value].block == 1 || e->args.size() != stage.axes.size()) continue;
      const bool same_channel = e->args[1].is(jit::ExprKind::variable) && e->args[1]->name == stage.axes[1].name;
      if (same_channel) block = std::max(block, images_[value].block);
    }
    return block;
  }

  // First and last position that is read of spatial dimension i.
  static std::pair<int64_t, int64_t> reach(const jit::Anchor& anchor, size_t i, int64_t outputs) {
    const int64_t stride = anchor.strides[i], window = anchor.dilations[i] * (anchor.kernel[i] - 1);
    const int64_t lo = anchor.pads[i];
    if (anchor.kind == AnchorKind::conv) return {-lo, (outputs - 1) * stride - lo + window};
    return {-jit::ceil_div(std::max<int64_t>(0, window - lo), stride), (outputs - 1 + lo) / stride};
  }

  void want_borders(const Group& group) {
    if (!heads_image(group)) return;
    const Computation& c = group.computation;
    const int value = group.tensor_values[c.anchor.data];
    ImageLayout& image = from_outside(value) ? outside_[value] : images_[value];
    if (from_outside(value) && shape(value)[1] >= 8) image.block = kBlock;
    const Shape& in = shape(value);
    const Shape out = [&] {
      Shape s;
      for (const jit::Extent& e : c.tensors[c.stages[c.anchor.stage].outputs[0]].shape) s.push_back(e.bound);
      return s;
    }();
    const size_t spatial = in.size() - 2;
    image.lo.resize(spatial, 0);
    image.hi.resize(spatial, 0);
    for (size_t i = 0; i < spatial; ++i) {
      const auto [first, last] = reach(c.anchor, i, out[i + 2]);
      image.lo[i] = std::max(image.lo[i], -first);
      image.hi[i] = std::max(image.hi[i], last - (in[i + 2] - 1));
    }
  }

  void want_row_padding(const Group& group) {
    const Computation& c = group.computation;
    if (group.host || c.anchor.kind != AnchorKind::matmul || c.anchor.stage < 0 || c.anchor.data < 0) return;
    const int value = group.tensor_values[c.anchor.data];
    if (value < 0 || graph_.values[value].is_constant() || c.tensors[c.anchor.data].type != DataType::f32) return;
    // A copy has to be worth it.
    constexpr int64_t kColumns = 128;
    if (from_outside(value) && jit::matmul_extents(c, c.stages[c.anchor.stage]).n < kColumns) return;
    row_padding_[value] = std::max(row_padding_[value], jit::matmul_row_padding(c, target_));
  }

  Layout rows(int value) const {
    return jit::padded_rows({shape(value).begin(), shape(value).end()}, row_padding_[value]);
  }

  Layout value_layout(const Group& group, size_t tensor) const {
    const int value = group.tensor_values[tensor];
    const bool is_rows = group.computation.anchor.data == static_cast<int>(tensor) || !is_output_[value];
    if (row_padding_[value] > 0 && is_rows && images_[value].make(shape(value)).is_plain()) return rows(value);
    if (!is_image(shape(value))) return {};
    const bool anchor_data = heads_image(group) && static_cast<int>(tensor) == group.computation.anchor.data;
    const auto outside = outside_.find(value);
    if (anchor_data && outside != outside_.end()) return outside->second.make(shape(value));
    if (is_output_[value] && !anchor_data) return {};
    return images_[value].make(shape(value));
  }

  jit::GroupDecision decide(const Group& group) const {
    jit::GroupDecision decision;
    if (group.host) {
      decision.provider = "host";
      return decision;
    }
    const Computation& c = group.computation;
    jit::FixedLayouts fixed;
    for (size_t t = 0; t < group.tensor_values.size(); ++t) {
      if (group.tensor_values[t] < 0 || c.tensors[t].role == Role::constant) continue;
      const Layout layout = image_output(group, t) ? output_image(group, t) : value_layout(group, t);
      if (!layout.is_plain()) fixed[c.tensors[t].name] = layout;
    }
    return jit::default_decision(c, target_, fixed);
  }

  // A convolution whose output leaves the graph still computes in blocks; the plan converts.
  bool image_output(const Group& group, size_t tensor) const {
    const int value = group.tensor_values[tensor];
    return group.computation.tensors[tensor].role == Role::output && is_output_[value] && heads_image(group);
  }
  Layout output_image(const Group& group, size_t tensor) const {
    ImageLayout image;
    image.block = conv_block(group.computation);
    return image.make(shape(group.tensor_values[tensor]));
  }

  const Graph& graph_;
  const std::vector<Group>& groups_;
  const jit::Target& target_;
  std::vector<ImageLayout> images_;     // of values made inside the graph
  std::map<int, ImageLayout> outside_;  // of inputs, as convolutions want to read them
  std::vector<int64_t> row_padding_;    // elements behind each row, as matrix products want to read them
  std::vector<bool> is_output_;
};

}  // namespace

Decisions default_decisions(const Graph& graph, const std::vector<Group>& groups, const jit::Target& target) {
  return Chooser(graph, groups, target).choose();
}

}  // namespace altrt::graph
