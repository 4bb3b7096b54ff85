// GPUs: tiles of products, blocks of maps and reductions, and in which order constants lie in memory.
#include <algorithm>

#include "jit/compile/gpu_templates.h"
#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

/// Several stages, or one: every part of the group has its own knobs.
class GpuLoops final : public LoopSpace {
 public:
  GpuLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LoopSpace(c, initial, target),
        c_(changed()),
        products_(jit::gpu_products(c_)),
        rows_(jit::default_gpu_rows(c_, initial.layouts, target)) {
    if (has_products()) {
      add_product_knobs();
    } else if (rows_.axes > 0) {
      add_knob("threads", {32, 64, 128, 256, 512, 1024}, rows_.threads);
    }
    for (size_t i = 0; i < c_.stages.size(); ++i) {
      if (is_covered(i)) continue;
      const jit::Stage& stage = c_.stages[i];
      const std::string suffix = "_" + std::to_string(i);
      if (stage.reduce.empty()) {
        const jit::GpuMap map = jit::default_gpu_map(c_, stage, initial.layouts);
        add_knob("threads" + suffix, {32, 64, 128, 256, 512}, map.threads);
        add_knob("lanes" + suffix, {1, 2, 4}, map.lanes);
      } else {
        const jit::GpuReduction r = jit::default_gpu_reduction(c_, stage, initial.layouts, target);
        add_knob("threads" + suffix, {32, 64, 128, 256, 512}, r.threads);
        if (jit::can_cross_threads(stage)) add_knob("across" + suffix, {0, 1}, r.across);
      }
    }
  }

  bool plausible(const Point& point) const override {
    if (!has_products()) return true;
    const jit::GpuTile t = tile(point);
    constexpr int64_t kMostRegisters = 128;
    return t.thread_rows <= t.rows && t.thread_columns <= t.columns && t.threads() >= 32 && t.threads() <= 1024 &&
           t.thread_rows * t.thread_columns <= kMostRegisters;
  }

  std::vector<Point> seeds() const override {
    if (!has_products()) return {};
    std::vector<Point> points;
    const auto add = [&](const jit::GpuTile& t) {
      points.push_back(nearest({{"rows", t.rows},
                                {"columns", t.columns},
                                {"thread_rows", t.thread_rows},
                                {"thread_columns", t.thread_columns},
                                {"depth", t.depth}}));
    };
    add({128, 128, 8, 8, 8});
    add({128, 64, 8, 4, 8});
    add({64, 128, 4, 8, 8});
    add({64, 64, 4, 4, 16});
    add({64, 64, 8, 4, 8});
    add({64, 32, 4, 4, 16});
    add({32, 64, 4, 4, 16});
    add({32, 32, 4, 2, 16});
    std::erase_if(points, [&](const Point& point) { return !plausible(point); });
    return points;
  }

 private:
  void add_product_knobs() {
    const jit::GpuTile start = jit::choose_gpu_tile(products_, target()).tile;
    add_knob("rows", {16, 32, 64, 96, 128}, start.rows);
    add_knob("columns", {16, 32, 64, 96, 128}, start.columns);
    add_knob("thread_rows", {1, 2, 4, 8, 16}, start.thread_rows);
    add_knob("thread_columns", {1, 2, 4, 8}, start.thread_columns);
    add_knob("depth", {4, 8, 16, 32}, start.depth);
    add_knob("prefetch", {0, 1}, start.prefetch);
    // Whether rows in shared memory are padded, so that a column's elements lie in different banks.
    add_knob("bank_padding", {0, 4}, 0);
    // Whether constants lie in the order in which the product runs over them.
    const jit::Layouts packed = jit::gpu_layouts(c_, {});
    if (!packed.empty()) add_knob("packed", {0, 1}, 1);
  }

  bool has_products() const { return !products_.empty(); }

  bool is_covered(size_t stage) const {
    if (!has_products()) return rows_.axes > 0;
    const std::string& name = c_.stages[stage].name;
    return std::any_of(products_.begin(), products_.end(), [&](const jit::GpuProduct& product) {
      return static_cast<int>(stage) == product.stage || name == product.rows_name || name == product.columns_name;
    });
  }

  jit::GpuTile tile(const Point& point) const {
    return {value(point, "rows"),           value(point, "columns"), value(point, "thread_rows"),
            value(point, "thread_columns"), value(point, "depth"),   value(point, "prefetch") != 0};
  }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    decision.schedule = {};
    if (has_products()) {
      decision.layouts = layouts(point);
      jit::schedule_gpu_products(c_, decision.layouts, tile(point), decision.schedule);
    } else if (rows_.axes > 0) {
      jit::schedule_gpu_rows(c_, decision.layouts, {rows_.axes, value(point, "threads")}, decision.schedule);
    }
    for (size_t i = 0; i < c_.stages.size(); ++i) {
      if (is_covered(i)) continue;
      const jit::Stage& stage = c_.stages[i];
      const std::string suffix = "_" + std::to_string(i);
      const int64_t threads = value(point, "threads" + suffix);
      if (stage.reduce.empty()) {
        decision.schedule[stage.name] =
            jit::schedule_gpu_map(c_, stage, decision.layouts, {threads, value(point, "lanes" + suffix)});
      } else {
        const bool across = has("across" + suffix) && value(point, "across" + suffix) != 0;
        decision.schedule[stage.name] = jit::schedule_gpu_reduction(c_, stage, decision.layouts, {threads, across});
      }
    }
    return decision;
  }

  jit::Layouts layouts(const Point& point) const {
    jit::Layouts layouts;
    for (const auto& [name, layout] : initial().layouts) {
      const int tensor = c_.find_tensor(name);
      if (tensor >= 0 && c_.tensors[static_cast<size_t>(tensor)].role != jit::Role::constant) layouts[name] = layout;
    }
    if (!has("packed") || value(point, "packed") != 0) layouts = jit::gpu_layouts(c_, layouts);
    const int64_t padding = value(point, "bank_padding");
    for (const jit::GpuProduct& product : products_) {
      if (padding == 0) continue;
      for (const std::string& operand : {product.rows_name, product.columns_name}) {
        const size_t rank = c_.tensors[static_cast<size_t>(c_.find_tensor(operand))].shape.size();
        layouts[operand].pad(static_cast<int>(rank) - 1, 0, padding, std::nullopt);
      }
    }
    return layouts;
  }

  const jit::Computation& c_;
  const std::vector<jit::GpuProduct> products_;
  const jit::GpuRows rows_;
};

}  // namespace

std::unique_ptr<LoopSpace> gpu_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                     const jit::Target& target) {
  return std::make_unique<GpuLoops>(c, initial, target);
}

}  // namespace altrt::tuner
