// Convolutions by Winograd's algorithm: tile of the products, and at which loop the transforms happen.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class WinogradLoops final : public LoopSpace {
 public:
  WinogradLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LoopSpace(c, initial, target) {
    const jit::WinogradParameters start = jit::default_winograd(changed(), initial.layouts, target);
    add_knob("blocks", {1, 2, 3, 4}, start.blocks);
    add_knob("unroll", {1, 2, 4, 8, 16}, start.unroll);
    add_knob("by_rows", {0, 1}, start.by_rows);
    add_knob("rows_apart", {0, 1}, start.rows_apart);
    const std::vector<altrt::Axis>& axes = changed().stages[static_cast<size_t>(changed().anchor.stage)].axes;
    std::vector<int64_t> lead{0};
    for (int64_t part = 1; depth(axes) > part; part *= 2)
      if (depth(axes) % part == 0) lead.push_back(part);
    add_knob("lead", lead, start.lead);
  }

  std::vector<Point> seeds() const override {
    std::vector<Point> points;
    for (const int64_t blocks : {2, 1, 4}) {
      for (const int64_t by_rows : {1, 0}) points.push_back(nearest({{"blocks", blocks}, {"by_rows", by_rows}}));
    }
    return points;
  }

 private:
  // Outputs of the products in the first dimension before the rows.
  static int64_t depth(const std::vector<altrt::Axis>& axes) { return axes.size() > 6 ? axes[4].extent.bound : 1; }

  jit::GroupDecision make(const Point& point) const override {
    jit::WinogradParameters p;
    p.blocks = value(point, "blocks");
    p.unroll = value(point, "unroll");
    p.by_rows = value(point, "by_rows") != 0;
    p.rows_apart = value(point, "rows_apart") != 0;
    p.lead = value(point, "lead");
    jit::GroupDecision decision = initial();
    // Only what neighbours see stays.
    std::erase_if(decision.layouts, [&](const auto& entry) {
      const int tensor = changed().find_tensor(entry.first);
      if (tensor < 0) return true;
      const jit::Role role = changed().tensors[static_cast<size_t>(tensor)].role;
      return role != jit::Role::input && role != jit::Role::output;
    });
    jit::layout_winograd(changed(), p, decision.layouts);
    decision.schedule = jit::schedule_winograd(changed(), decision.layouts, target(), p);
    return decision;
  }
};

}  // namespace

std::unique_ptr<LoopSpace> winograd_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                          const jit::Target& target) {
  return std::make_unique<WinogradLoops>(c, initial, target);
}

}  // namespace altrt::tuner
