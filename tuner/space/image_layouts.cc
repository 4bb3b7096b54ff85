// Layouts of convolutions and pools: how many channels lie side by side in what they read and what they make.
#include <optional>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

using jit::Layout;
using jit::Layouts;

// [N, C, spatial...], channels in blocks, a border.
Layout image_layout(const std::vector<jit::Extent>& shape, int64_t block, const std::vector<jit::LayoutStep>& borders) {
  Layout layout;
  if (block > 1) {
    const int64_t rest = jit::round_up_to(shape[1].bound, block) - shape[1].bound;
    if (rest) layout.pad(1, 0, rest, std::nullopt);
    layout.split(1, {0, block});
    std::vector<int64_t> order{0, 1};
    for (size_t i = 2; i < shape.size(); ++i) order.push_back(static_cast<int64_t>(i) + 1);
    order.push_back(2);
    layout.reorder(order);
  }
  for (const jit::LayoutStep& border : borders) layout.pad(border.dim, border.lo, border.hi, border.fill);
  return layout;
}

// The same image layout with other blocks; absent if `layout` is not of that form.
std::optional<Layout> with_channel_block(const Layout& layout, const std::vector<jit::Extent>& shape, int64_t block) {
  if (shape.size() < 3) return std::nullopt;
  size_t first_border = layout.steps.size();
  while (first_border > 0) {
    const jit::LayoutStep& step = layout.steps[first_border - 1];
    if (step.kind != jit::LayoutKind::pad || step.dim < 2 || !step.fill) break;
    --first_border;
  }
  const std::vector<jit::LayoutStep> borders(layout.steps.begin() + static_cast<std::ptrdiff_t>(first_border),
                                             layout.steps.end());
  if (!(image_layout(shape, jit::channel_block(layout), borders) == layout)) return std::nullopt;
  return image_layout(shape, block, borders);
}

class ImageLayouts final : public LayoutSpace {
 public:
  ImageLayouts(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LayoutSpace(c, initial, target),
        output_(same(c, c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0])),
        data_(same(c, c.anchor.data)) {
    const auto& tensors = changed().tensors;
    const bool grouped = c.anchor.groups > 1;
    if (grouped || output_ < 0) return;
    if (tensors[static_cast<size_t>(output_)].role == jit::Role::output) add_blocks("output_block", output_);
    if (data_ >= 0 && jit::channel_block(now(data_)) > 1) add_blocks("input_block", data_);
  }

 private:
  /// A tensor of the group in what the algorithm has made of it.
  int same(const jit::Computation& c, int tensor) const {
    return tensor < 0 ? -1 : changed().find_tensor(c.tensors[static_cast<size_t>(tensor)].name);
  }
  const Layout& now(int tensor) const { return jit::layout_of(changed(), tensor, initial().layouts); }
  const std::vector<jit::Extent>& shape(int tensor) const {
    return changed().tensors[static_cast<size_t>(tensor)].shape;
  }

  void add_blocks(const std::string& name, int tensor) {
    if (!with_channel_block(now(tensor), shape(tensor), 8)) return;
    std::vector<int64_t> blocks;
    for (const int64_t block : {8, 16, 32}) {
      if (block <= shape(tensor)[1].bound) blocks.push_back(block);
    }
    add_knob(name, blocks, jit::channel_block(now(tensor)));
  }

  Layouts layouts(const Point& point) const override {
    Layouts layouts = initial().layouts;
    const auto set = [&](int tensor, int64_t block) {
      if (jit::channel_block(now(tensor)) == block) return;
      const auto changed_layout = with_channel_block(now(tensor), shape(tensor), block);
      if (changed_layout) layouts[changed().tensors[static_cast<size_t>(tensor)].name] = *changed_layout;
    };
    if (has("input_block")) set(data_, value(point, "input_block"));
    if (!has("output_block")) return layouts;
    // What is read point by point beside the output (a residual) follows it.
    for (size_t t = 0; t < changed().tensors.size(); ++t) {
      const auto tensor = static_cast<int>(t);
      const bool beside =
          changed().tensors[t].role == jit::Role::input && tensor != data_ && shape(tensor) == shape(output_);
      if (tensor == output_ || beside) set(tensor, value(point, "output_block"));
    }
    return layouts;
  }

  const int output_, data_;
};

}  // namespace

std::unique_ptr<LayoutSpace> image_layouts(const jit::Computation& c, const jit::GroupDecision& initial,
                                           const jit::Target& target) {
  return std::make_unique<ImageLayouts>(c, initial, target);
}

}  // namespace altrt::tuner
