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

// Channels a block of an image: half as many where whole blocks compute at least a tenth more than there is.
int64_t image_block(int64_t channels) {
  constexpr int64_t kHalf = kBlock / 2;
  const int64_t whole = jit::round_up_to(channels, kBlock), halves = jit::round_up_to(channels, kHalf);
  return whole * 10 >= halves * 11 ? kHalf : kBlock;
}

// Channels a block for a convolution's output.
int64_t conv_block(const Computation& c, const jit::Target& target) {
  const int64_t channels = c.tensors[c.stages[c.anchor.stage].outputs[0]].shape[1].bound;
  const bool depthwise = c.tensors[c.anchor.data].shape[1].bound == c.anchor.groups;
  if (c.anchor.groups > 1 && !depthwise) {
    if (jit::groups_share_vector(c, kBlock)) return kBlock;
    const int64_t block = jit::group_block(channels / c.anchor.groups, target);
    return block >= 3 ? block : 1;
  }
  return image_block(channels);
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
      block = conv_block(c, target_);
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

  void want_borders(const Group& group) {
    if (!heads_image(group)) return;
    const Computation& c = group.computation;
    const int value = group.tensor_values[c.anchor.data];
    ImageLayout& image = from_outside(value) ? outside_[value] : images_[value];
    if (from_outside(value) && shape(value)[1] >= 8) image.block = kBlock;
    const jit::Borders wanted = jit::read_borders(c);
    jit::Borders& borders = image.borders;
    borders.lo.resize(wanted.lo.size(), 0);
    borders.hi.resize(wanted.hi.size(), 0);
    for (size_t i = 0; i < wanted.lo.size(); ++i) {
      borders.lo[i] = std::max(borders.lo[i], wanted.lo[i]);
      borders.hi[i] = std::max(borders.hi[i], wanted.hi[i]);
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
    image.block = conv_block(group.computation, target_);
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
