// Random layouts and schedules. Every step is tried against the real preconditions and left out where they refuse it.
#include <algorithm>
#include <tuple>

#include <altrt/error.h>

#include "jit/loop/loops.h"
#include "tests/property/generator.h"

namespace altrt::property {

using namespace jit;  // NOLINT

namespace {

constexpr int kAttempts = 12;  // that lower() may refuse
constexpr int kWishes = 50;    // tries at a wish, each time

bool fits(const Layout& layout, const std::vector<Extent>& shape) {
  try {
    verify(layout, shape);
    return physical_elements(layout, shape) <= 20000;
  } catch (const Error&) {
    return false;
  }
}

/// The number of a layout primitive in add_random_step; -1 = none.
int number_of(const std::string& feature) {
  const std::vector<std::string> names{"layout.split", "layout.reorder", "layout.fuse", "layout.pad", "layout.unfold"};
  const auto found = std::find(names.begin(), names.end(), feature == "layout.fill" ? "layout.pad" : feature);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

void add_random_step(Layout& layout, const std::vector<Extent>& physical, bool may_unfold, int wished, Random& random) {
  if (physical.empty()) return;
  const int rank = static_cast<int>(physical.size()), dim = static_cast<int>(random.in(0, rank - 1));
  const int64_t extent = physical[static_cast<size_t>(dim)].bound;
  std::optional<double> fill;
  if (random.chance(60)) fill = 0;
  switch (wished >= 0 && random.chance(40) ? wished : random.in(0, 5)) {
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
  StageScheduler(const Computation& c, const Stage& stage, const Layout& layout, const Wish& wish, Random& random)
      : c_(c), stage_(stage), layout_(layout), wish_(wish), random_(random) {
    loops_ = try_steps(c, stage, layout, steps_);
  }

  StageSchedule run(bool may_parallel) {
    if (!loops_) return steps_;
    for (int64_t k = random_.in(wish_.tail.empty() ? 0 : 2, wish_.tail.empty() ? 3 : 4);
         k > 0 && !loops_->order.empty(); --k) {
      auto tail = static_cast<Tail>(random_.in(0, 4));
      for (const Tail wished : {Tail::peel, Tail::balance, Tail::mask, Tail::overlap, Tail::pad}) {
        const std::string name = std::string("tail.") + jit::to_string(wished);
        if ((wish_.tail == name && random_.chance(60)) || (wish_.other_tail == name && random_.chance(30)))
          tail = wished;
      }
      const std::string loop = any_loop();
      attempt([&](StageSchedule& s) { s.split(loop, random_.in(2, 8), tail); });
    }
    for (int tries = wish_.loop == "loop.fuse" ? 6 : random_.chance(25); tries > 0; --tries) {
      if (loops_->order.size() < 2) break;
      const auto at = static_cast<size_t>(random_.in(0, static_cast<int64_t>(loops_->order.size()) - 2));
      if (attempt([&](StageSchedule& s) { s.fuse({loops_->order[at].name, loops_->order[at + 1].name}); })) break;
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
    if (wish_.threads && random_.chance(80)) bind();
    Random skips = random_;  // the choices that follow stay what they are without it
    for (const std::string& loop : loops_->reduction_loops())
      if (skips.chance(30)) attempt([&](StageSchedule& s) { s.skip(loop); });
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
  /// A wish for chunks of a reduction leaves the steps to the other loops: only those are kept.
  std::string any_loop() {
    const Loop& loop = random_.pick(loops_->order);
    return loop.reduction && wish_.loop == "loop.split_reduction" ? loops_->order[0].name : loop.name;
  }

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

  /// Any loop becomes the threads; a reduction is cut so that whole warps share it.
  void bind() {
    std::vector<Loop> loops = loops_->order;
    random_.shuffle(loops);
    for (const Loop& loop : loops) {
      if (loop.reduction) {
        const int64_t threads = int64_t{32} << random_.in(0, 2);
        const std::string inner = loop.name + ".1";
        if (attempt([&](StageSchedule& s) { s.split(loop.name, threads, Tail::mask).bind(inner); })) return;
      } else if (attempt([&](StageSchedule& s) { s.bind(loop.name); })) {
        return;
      }
    }
  }

  const Computation& c_;
  const Stage& stage_;
  const Layout& layout_;
  const Wish& wish_;
  Random& random_;
  StageSchedule steps_;
  std::optional<StageLoops> loops_;
};

/// The steps that speak of no reduction axis: what combines the chunks of a split reduction can take them.
StageSchedule spatial_steps(const Stage& stage, const StageSchedule& steps) {
  const auto is_reduction = [&](const std::string& loop) {
    return std::any_of(stage.reduce.begin(), stage.reduce.end(), [&](const Axis& axis) {
      return loop == axis.name || loop.starts_with(axis.name + ".") || loop.find('*') != std::string::npos;
    });
  };
  StageSchedule kept;
  for (const LoopStep& step : steps.steps) {
    if (step.kind == LoopStepKind::vectorize || step.kind == LoopStepKind::fuse || is_reduction(step.loop)) continue;
    if (std::any_of(step.loops.begin(), step.loops.end(), is_reduction)) continue;
    kept.steps.push_back(step);
  }
  return kept;
}

Layout layout_of(const Computation& c, const Layouts& layouts, int tensor) {
  const auto found = layouts.find(c.tensors[static_cast<size_t>(tensor)].name);
  return found == layouts.end() ? Layout() : found->second;
}

}  // namespace

Layout make_layout(const Computation& c, int tensor, const Wish& wish, Random& random) {
  const TensorDecl& decl = c.tensors[static_cast<size_t>(tensor)];
  Layout layout;
  if (random.chance(35)) return layout;
  bool may_unfold = true;  // only what isn't a reduction's output may be stored twice
  for (int writer : c.writers(tensor)) may_unfold = may_unfold && c.stages[static_cast<size_t>(writer)].reduce.empty();
  may_unfold = may_unfold && random.chance(wish.layout == "layout.unfold" ? 95 : 50);
  for (int64_t k = random.in(1, 4); k > 0; --k) {
    Layout next = layout;
    add_random_step(next, physical_shape(layout, decl.shape), may_unfold, number_of(wish.layout), random);
    if (fits(next, decl.shape)) layout = next;
  }
  if (wish.tail == "tail.pad" && decl.role == Role::output && random.chance(80)) {
    const size_t rank = physical_shape(layout, decl.shape).size();
    Layout next = layout;
    if (rank > 0)
      next.pad(static_cast<int>(random.in(0, static_cast<int64_t>(rank) - 1)), 0, random.in(1, 7), std::nullopt);
    if (fits(next, decl.shape)) layout = next;
  }
  return layout;
}

Schedule make_schedule(const Computation& c, const Layouts& layouts, const Wish& wish, Random& random) {
  Schedule schedule;
  const auto likely = [&](const std::string& feature, int otherwise) { return wish.loop == feature ? 85 : otherwise; };
  std::map<int, StageScheduler> done;
  for (size_t i = c.stages.size(); i-- > 0;) {
    const Stage& stage = c.stages[i];
    const int number = static_cast<int>(i);
    const bool is_output = c.tensors[static_cast<size_t>(stage.outputs[0])].role == Role::output;
    if (!is_output && stage.reduce.empty() && random.chance(likely("loop.inline_stage", 25))) {
      schedule[stage.name].inline_stage();
      continue;
    }
    const Layout layout = layout_of(c, layouts, stage.outputs[0]);
    int consumer = -1;
    for (int output : stage.outputs)
      for (int reader : c.readers(output)) consumer = std::max(consumer, reader);
    const bool attach = !is_output && consumer >= 0 && done.count(consumer) &&
                        random.chance(std::max(likely("loop.compute_at", 70), likely("loop.hold_at", 70)));
    auto [scheduler, is_new] = done.emplace(number, StageScheduler(c, stage, layout, wish, random));
    const StageSchedule steps = scheduler->second.run(!attach);
    schedule[stage.name] = steps;
    if (attach && done.at(consumer).valid() && !done.at(consumer).order().empty()) {
      const auto& order = done.at(consumer).order();
      const auto at = static_cast<size_t>(random.in(0, static_cast<int64_t>(order.size()) - 1));
      schedule[stage.name].compute_at(c.stages[static_cast<size_t>(consumer)].name, order[at].name);
      if (random.chance(likely("loop.hold_at", 60)))
        schedule[stage.name].hold_at(c.stages[static_cast<size_t>(consumer)].name,
                                     order[static_cast<size_t>(random.in(0, static_cast<int64_t>(at)))].name);
    }
    std::vector<Axis> divisible;
    for (const Axis& axis : stage.reduce)
      if (axis.extent.bound >= 2) divisible.push_back(axis);
    if (!divisible.empty() && random.chance(likely("loop.split_reduction", 12))) {
      const Axis& axis = random.pick(divisible);
      schedule[stage.name] = random.chance(70) ? spatial_steps(stage, steps) : StageSchedule();
      schedule[stage.name].split_reduction(axis.name, random.in(2, std::min<int64_t>(3, axis.extent.bound)));
    } else if (random.chance(likely("loop.cache_read", 15)) && scheduler->second.valid() &&
               !scheduler->second.order().empty()) {
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

Wish wish_of(uint64_t seed) {
  static const std::vector<std::string> layouts{"layout.split",  "layout.reorder", "layout.fuse",
                                                "layout.unfold", "layout.pad",     "layout.fill"};
  static const std::vector<std::string> loops{"loop.hold_at",      "loop.split_reduction", "loop.cache_read",
                                              "loop.inline_stage", "loop.compute_at",      "loop.fuse"};
  static const std::vector<std::pair<std::string, std::string>> tails{
      {"tail.pad", "tail.peel"},     {"tail.overlap", "tail.balance"}, {"tail.pad", "tail.mask"},
      {"tail.overlap", "tail.peel"}, {"tail.pad", "tail.balance"},     {"tail.overlap", "tail.mask"}};
  const std::string& kind = kinds()[seed % kinds().size()];
  uint64_t number = seed / kinds().size();
  Wish wish;
  // Diagonals, so that few cases in a row meet each primitive and each pair of them alike.
  const uint64_t round = number / loops.size();
  wish.loop = loops[number % loops.size()];
  wish.layout = layouts[(number + round) % layouts.size()];
  std::tie(wish.tail, wish.other_tail) = tails[(number + 2 * round + round / layouts.size()) % tails.size()];
  if (round % 7 == 6) return {};  // the rest is left to chance
  if (!can_occur(kind, wish.loop)) wish.loop.clear();
  return wish;
}

namespace {

bool is_fulfilled(const Wish& wish, const Case& c) {
  const std::set<std::string> seen = features_of(c.layouts, c.schedule);
  return (wish.layout.empty() || seen.count(wish.layout)) && (wish.loop.empty() || seen.count(wish.loop)) &&
         (wish.tail.empty() || (seen.count(wish.tail) && seen.count(wish.other_tail)));
}

/// A layout that brings the tensor to a physical shape, elements anywhere in it; empty if it has no room for them.
std::optional<Layout> layout_into(const TensorDecl& decl, const std::vector<Extent>& shape, Random& random) {
  Layout layout;
  int64_t elements = 1, room = 1;
  for (const Extent& extent : decl.shape) elements *= extent.bound;
  std::vector<int64_t> order, factors;
  for (size_t d = 0; d < shape.size(); ++d) {
    order.push_back(static_cast<int64_t>(d));
    room *= shape[d].bound;
  }
  if (decl.shape.empty() || shape.empty())
    return decl.shape.size() == shape.size() ? std::optional(layout) : std::nullopt;
  if (room < elements) return std::nullopt;
  layout.fuse(0, static_cast<int>(decl.shape.size()));
  if (room > elements) {
    const int64_t lo = random.in(0, room - elements);
    layout.pad(0, lo, room - elements - lo, random.chance(50) ? std::optional<double>(0) : std::nullopt);
  }
  if (random.chance(50)) random.shuffle(order);
  std::vector<int64_t> back(order.size());
  for (size_t d = 0; d < order.size(); ++d) {
    factors.push_back(shape[static_cast<size_t>(order[d])].bound);
    back[static_cast<size_t>(order[d])] = static_cast<int64_t>(d);
  }
  layout.split(0, factors);
  if (!std::is_sorted(order.begin(), order.end())) layout.reorder(back);
  return layout;
}

/// Constants stored at another constant, along one of its physical dimensions.
void store_constants(const Computation& c, Layouts& layouts, Random& random) {
  std::vector<int> constants = c.with_role(Role::constant);
  if (constants.size() < 2 || !random.chance(85)) return;
  random.shuffle(constants);
  const int host = constants.front();
  const TensorDecl& decl = c.tensors[static_cast<size_t>(host)];
  const std::vector<Extent> shape = physical_shape(layout_of(c, layouts, host), decl.shape);
  if (shape.empty()) return;
  const auto dim = static_cast<int>(random.in(0, static_cast<int64_t>(shape.size()) - 1));
  std::vector<Extent> rest = shape;
  rest.erase(rest.begin() + dim);
  for (size_t i = 1; i < constants.size(); ++i) {
    const TensorDecl& source = c.tensors[static_cast<size_t>(constants[i])];
    const auto layout = source.type == decl.type ? layout_into(source, rest, random) : std::nullopt;
    if (!layout || !random.chance(85)) continue;
    layouts[source.name] = *layout;
    layouts[source.name].store_at(decl.name, dim);
  }
}

/// A dimension that comes and goes again.
void add_decoupled(Layout& layout, const std::vector<Extent>& shape, Random& random) {
  const auto rank = static_cast<int64_t>(physical_shape(layout, shape).size());
  const int64_t extent = random.in(1, 4), index = random.in(0, extent - 1);
  const auto dim = static_cast<int>(random.in(0, rank));
  layout.store_at("elsewhere", dim, {index, extent}).decouple_at("elsewhere", dim, {index, extent});
}

/// `sharing` decides about store_at and decouple_at alone: what else a seed gives does not hang on them.
void make_decisions(const Wish& wish, Random& random, Random& sharing, Case* c) {
  c->layouts.clear();
  for (size_t t = 0; t < c->computation.tensors.size(); ++t) {
    Layout layout = make_layout(c->computation, static_cast<int>(t), wish, random);
    if (sharing.chance(12)) add_decoupled(layout, c->computation.tensors[t].shape, sharing);
    if (!layout.is_plain()) c->layouts[c->computation.tensors[t].name] = layout;
  }
  store_constants(c->computation, c->layouts, sharing);
  c->schedule = make_schedule(c->computation, c->layouts, wish, random);
}

}  // namespace

namespace {

Case make_case(uint64_t seed, bool threads) {
  Random random(seed), sharing(seed + 0x5a1e);
  Case result;
  result.seed = seed;
  result.kind = kinds()[seed % kinds().size()];
  result.computation = make_computation(result.kind, random);
  result.math = needs_surrogates(result.computation) ? MathMode::surrogate : MathMode::expanded;
  Wish wish = wish_of(seed);
  wish.threads = threads;
  for (int attempt = 0; attempt <= kAttempts; ++attempt) {
    result.layouts.clear();
    result.schedule = Schedule();
    for (int k = 0; k < kWishes && attempt < kAttempts; ++k) {
      make_decisions(wish, random, sharing, &result);
      if (is_fulfilled(wish, result)) break;
    }
    try {
      result.kernels = lower(result.computation, result.layouts, result.schedule, result.math);
      return result;
    } catch (const Error& e) {
      if (e.code() != ErrorCode::invalid_argument || attempt == kAttempts)
        throw Error(e.code(), std::string(e.what()) + "\n" + to_string(result));
      ++result.refused;
      result.refusals.push_back(e.what());
    }
  }
  return result;
}

}  // namespace

Case make_case(uint64_t seed) { return make_case(seed, false); }
Case make_gpu_case(uint64_t seed) { return make_case(seed, true); }

std::string to_string(const Case& c) {
  std::string text = "case " + std::to_string(c.seed) + " (" + c.kind + ")\n" + to_string(c.computation) + "layouts:\n";
  for (const auto& [name, layout] : c.layouts) text += "  " + name + ": " + to_string(layout) + "\n";
  text += "schedule:\n" + to_string(c.schedule);
  for (const LoweredKernel& kernel : c.kernels) text += to_string(kernel.nest);
  return text;
}

}  // namespace altrt::property
