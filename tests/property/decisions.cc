// Random layouts and schedules. Every step is tried against the real preconditions and left out where they refuse it.
#include <algorithm>

#include <altrt/error.h>

#include "jit/loop/loops.h"
#include "tests/property/generator.h"

namespace altrt::property {

using namespace jit;  // NOLINT

namespace {

bool fits(const Layout& layout, const std::vector<Extent>& shape) {
  try {
    verify(layout, shape);
    return physical_elements(layout, shape) <= 20000;
  } catch (const Error&) {
    return false;
  }
}

void add_random_step(Layout& layout, const std::vector<Extent>& physical, bool may_unfold, Random& random) {
  if (physical.empty()) return;
  const int rank = static_cast<int>(physical.size()), dim = static_cast<int>(random.in(0, rank - 1));
  const int64_t extent = physical[static_cast<size_t>(dim)].bound;
  std::optional<double> fill;
  if (random.chance(60)) fill = 0;
  switch (random.in(0, 5)) {
    case 0: {
      const int64_t factor = random.in(2, 8);
      if (extent % factor != 0)
        layout.pad(dim, 0, (factor - extent % factor) % factor, random.chance(30) ? fill : std::nullopt);
      layout.split(dim, {0, factor});
      return;
    }
    case 1: {
      std::vector<int64_t> order;
      for (int i = 0; i < rank; ++i) order.push_back(i);
      random.shuffle(order);
      layout.reorder(order);
      return;
    }
    case 2:
      if (dim + 1 < rank) layout.fuse(dim, 2);
      return;
    case 3:
      layout.pad(dim, random.in(0, 2), random.in(0, 5), fill);
      return;
    case 4:
      if (may_unfold && extent >= 3) {
        const int64_t tile = random.in(2, extent), stride = random.in(1, tile);
        layout.unfold(dim, tile, stride);
      }
      return;
    default: {
      const int64_t factor = random.in(2, 8);
      layout.pad(dim, 0, (factor - extent % factor) % factor, std::nullopt);
      layout.split(dim, {0, factor});
      std::vector<int64_t> order;
      for (int i = 0; i <= rank; ++i)
        if (i != dim + 1) order.push_back(i);
      order.push_back(dim + 1);
      layout.reorder(order);
      return;
    }
  }
}

/// The stage's loops after `steps`; empty if they are refused.
std::optional<StageLoops> try_steps(const Computation& c, const Stage& stage, const Layout& layout,
                                    const StageSchedule& steps) {
  try {
    const Region whole{{}, c.tensors[static_cast<size_t>(stage.outputs[0])].shape};
    return build_loops(c, stage, layout, whole, false, steps);
  } catch (const Error&) {
    return std::nullopt;
  }
}

class StageScheduler {
 public:
  StageScheduler(const Computation& c, const Stage& stage, const Layout& layout, Random& random)
      : c_(c), stage_(stage), layout_(layout), random_(random) {
    loops_ = try_steps(c, stage, layout, steps_);
  }

  StageSchedule run(bool may_parallel) {
    if (!loops_) return steps_;
    for (int64_t k = random_.in(0, 3); k > 0 && !loops_->order.empty(); --k) {
      const auto tail = static_cast<Tail>(random_.in(0, 4));
      const std::string loop = any_loop();
      attempt([&](StageSchedule& s) { s.split(loop, random_.in(2, 8), tail); });
    }
    if (random_.chance(25) && loops_->order.size() > 1) {
      const auto at = static_cast<size_t>(random_.in(0, static_cast<int64_t>(loops_->order.size()) - 2));
      attempt([&](StageSchedule& s) { s.fuse({loops_->order[at].name, loops_->order[at + 1].name}); });
    }
    if (random_.chance(60)) {
      std::vector<std::string> names;
      for (const Loop& loop : loops_->order) names.push_back(loop.name);
      if (names.size() > 1) {
        random_.shuffle(names);
        names.resize(static_cast<size_t>(random_.in(2, static_cast<int64_t>(names.size()))));
        attempt([&](StageSchedule& s) { s.reorder(names); });
      }
    }
    expand();
    if (may_parallel && random_.chance(50)) {
      for (size_t i = 0; i < loops_->order.size() && i < 2; ++i) {
        const std::string name = loops_->order[i].name;
        if (!attempt([&](StageSchedule& s) { s.parallel(name); })) break;
      }
    }
    return steps_;
  }

  const std::vector<Loop>& order() const { return loops_->order; }
  bool valid() const { return loops_.has_value(); }

 private:
  std::string any_loop() { return random_.pick(loops_->order).name; }

  template <typename F>
  bool attempt(const F& add) {
    StageSchedule next = steps_;
    add(next);
    auto loops = try_steps(c_, stage_, layout_, next);
    if (!loops) return false;
    steps_ = next;
    loops_ = std::move(loops);
    return true;
  }

  /// The innermost loop as lanes, some round it unrolled.
  void expand() {
    if (loops_->order.empty()) return;
    const Loop last = loops_->order.back();
    if (random_.chance(65) && last.extent.bound <= 16) attempt([&](StageSchedule& s) { s.vectorize(last.name); });
    for (size_t i = loops_->order.size(); i-- > 0;) {
      const Loop loop = loops_->order[i];
      if (loop.extent.bound > 8 || loop.kind != LoopKind::serial || !random_.chance(45)) continue;
      attempt([&](StageSchedule& s) { s.unroll(loop.name); });
    }
  }

  const Computation& c_;
  const Stage& stage_;
  const Layout& layout_;
  Random& random_;
  StageSchedule steps_;
  std::optional<StageLoops> loops_;
};

Layout layout_of(const Computation& c, const Layouts& layouts, int tensor) {
  const auto found = layouts.find(c.tensors[static_cast<size_t>(tensor)].name);
  return found == layouts.end() ? Layout() : found->second;
}

}  // namespace

Layout make_layout(const Computation& c, int tensor, Random& random) {
  const TensorDecl& decl = c.tensors[static_cast<size_t>(tensor)];
  Layout layout;
  if (random.chance(35)) return layout;
  bool may_unfold = true;  // only what isn't a reduction's output may be stored twice
  for (int writer : c.writers(tensor)) may_unfold = may_unfold && c.stages[static_cast<size_t>(writer)].reduce.empty();
  may_unfold = may_unfold && random.chance(50);
  for (int64_t k = random.in(1, 4); k > 0; --k) {
    Layout next = layout;
    add_random_step(next, physical_shape(layout, decl.shape), may_unfold, random);
    if (fits(next, decl.shape)) layout = next;
  }
  return layout;
}

Schedule make_schedule(const Computation& c, const Layouts& layouts, Random& random) {
  Schedule schedule;
  std::map<int, StageScheduler> done;
  for (size_t i = c.stages.size(); i-- > 0;) {
    const Stage& stage = c.stages[i];
    const int number = static_cast<int>(i);
    const bool is_output = c.tensors[static_cast<size_t>(stage.outputs[0])].role == Role::output;
    if (!is_output && stage.reduce.empty() && random.chance(25)) {
      schedule[stage.name].inline_stage();
      continue;
    }
    const Layout layout = layout_of(c, layouts, stage.outputs[0]);
    int consumer = -1;
    for (int output : stage.outputs)
      for (int reader : c.readers(output)) consumer = std::max(consumer, reader);
    const bool attach = !is_output && consumer >= 0 && done.count(consumer) && random.chance(70);
    auto [scheduler, is_new] = done.emplace(number, StageScheduler(c, stage, layout, random));
    const StageSchedule steps = scheduler->second.run(!attach);
    schedule[stage.name] = steps;
    if (attach && done.at(consumer).valid() && !done.at(consumer).order().empty()) {
      const auto& order = done.at(consumer).order();
      const auto at = static_cast<size_t>(random.in(0, static_cast<int64_t>(order.size()) - 1));
      schedule[stage.name].compute_at(c.stages[static_cast<size_t>(consumer)].name, order[at].name);
      if (random.chance(60))
        schedule[stage.name].hold_at(c.stages[static_cast<size_t>(consumer)].name,
                                     order[static_cast<size_t>(random.in(0, static_cast<int64_t>(at)))].name);
    }
    if (!stage.reduce.empty() && random.chance(12)) {
      StageSchedule split;
      split.split_reduction(random.pick(stage.reduce).name, random.in(2, 3));
      schedule[stage.name] = split;
    } else if (random.chance(15) && scheduler->second.valid() && !scheduler->second.order().empty()) {
      std::vector<int> reads;
      for (size_t t = 0; t < c.tensors.size(); ++t) {
        const auto readers = c.readers(static_cast<int>(t));
        if (c.writers(static_cast<int>(t)).empty() &&
            std::find(readers.begin(), readers.end(), number) != readers.end())
          reads.push_back(static_cast<int>(t));
      }
      if (!reads.empty())
        schedule[stage.name].cache_read(c.tensors[static_cast<size_t>(random.pick(reads))].name,
                                        random.pick(scheduler->second.order()).name);
    }
  }
  return schedule;
}

Case make_case(uint64_t seed) {
  Random random(seed);
  Case result;
  result.seed = seed;
  result.kind = kinds()[seed % kinds().size()];
  result.computation = make_computation(result.kind, random);
  result.math = needs_surrogates(result.computation) ? MathMode::surrogate : MathMode::expanded;
  for (int attempt = 0; attempt < 8; ++attempt) {
    result.layouts.clear();
    result.schedule = Schedule();
    if (attempt < 7) {
      for (size_t t = 0; t < result.computation.tensors.size(); ++t) {
        const Layout layout = make_layout(result.computation, static_cast<int>(t), random);
        if (!layout.is_plain()) result.layouts[result.computation.tensors[t].name] = layout;
      }
      result.schedule = make_schedule(result.computation, result.layouts, random);
    }
    try {
      result.kernels = lower(result.computation, result.layouts, result.schedule, result.math);
      return result;
    } catch (const Error& e) {
      if (e.code() != ErrorCode::invalid_argument || attempt == 7)
        throw Error(e.code(), std::string(e.what()) + "\n" + to_string(result));
      ++result.refused;
      result.refusals.push_back(e.what());
    }
  }
  return result;
}

std::string to_string(const Case& c) {
  std::string text = "case " + std::to_string(c.seed) + " (" + c.kind + ")\n" + to_string(c.computation) + "layouts:\n";
  for (const auto& [name, layout] : c.layouts) text += "  " + name + ": " + to_string(layout) + "\n";
  text += "schedule:\n" + to_string(c.schedule);
  for (const LoweredKernel& kernel : c.kernels) text += to_string(kernel.nest);
  return text;
}

}  // namespace altrt::property
