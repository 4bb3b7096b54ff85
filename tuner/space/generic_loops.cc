// Everything without a template: how wide vectors are and how many loops are tasks.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

using jit::LoopStepKind;

class GenericLoops final : public LoopSpace {
 public:
  GenericLoops(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target)
      : LoopSpace(c, initial, target) {
    int64_t deepest = 0;
    for (const auto& [stage, schedule] : initial.schedule.stages) {
      deepest = std::max<int64_t>(deepest, std::count_if(schedule.steps.begin(), schedule.steps.end(), is_parallel));
    }
    add_knob("vectors", {1, 2, 4}, 1);
    // How many of the outermost loops are tasks.
    add_knob("parallel", counts_up_to(deepest), deepest);
  }

 private:
  static bool is_parallel(const jit::LoopStep& step) { return step.kind == LoopStepKind::parallel; }

  jit::GroupDecision make(const Point& point) const override {
    jit::GroupDecision decision = initial();
    jit::Target wide = target();
    wide.lanes *= static_cast<int>(value(point, "vectors"));
    decision.schedule = jit::default_schedule(changed(), decision.layouts, wide);
    const int64_t parallel = value(point, "parallel");
    for (auto& [stage, schedule] : decision.schedule.stages) {
      int64_t seen = 0;
      std::erase_if(schedule.steps, [&](const jit::LoopStep& step) { return is_parallel(step) && ++seen > parallel; });
    }
    return decision;
  }
};

}  // namespace

std::unique_ptr<LoopSpace> generic_loops(const jit::Computation& c, const jit::GroupDecision& initial,
                                         const jit::Target& target) {
  return std::make_unique<GenericLoops>(c, initial, target);
}

}  // namespace altrt::tuner
