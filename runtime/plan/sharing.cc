#include "runtime/plan/sharing.h"

#include <algorithm>
#include <map>
#include <utility>

namespace altrt::plan {
namespace {

// Constants come from memory that nobody writes: read ahead, they cost a part of what others' fresh results do.
constexpr double kConstantCost = 0.2;
constexpr int kMostSweeps = 6;
constexpr int kMostDimensions = 6;

// A part of a tensor: an interval of one dimension, as fractions of it. Dimension -1: everything, or nothing.
struct Part {
  int dimension = -1;
  int64_t extent = 1;
  double lo = 0, hi = 1;

  double size() const { return hi - lo; }
};

double overlap(const Part& a, const Part& b) {
  const bool comparable = a.dimension == b.dimension && a.extent == b.extent;
  if (a.dimension >= 0 && b.dimension >= 0 && !comparable) return a.size() * b.size();
  return std::max(0.0, std::min(a.hi, b.hi) - std::max(a.lo, b.lo));
}

// One way to deal a step's tasks: along parallel loop `loop`, whose iterations have `below` tasks each.
struct Option {
  size_t loop = 0;
  int64_t inner = 0, below = 1;
};

class Sharing {
 public:
  Sharing(Plan& plan, const std::vector<StepReach>& reaches, int workers)
      : plan_(plan), reaches_(reaches), workers_(workers) {
    for (size_t s = 0; s < plan.steps.size(); ++s) add_step(s);
  }

  void run() {
    std::vector<size_t> best = chosen_;
    double least = total();
    for (int dimension = -1; dimension < kMostDimensions; ++dimension) {
      if (!start_along(dimension)) continue;
      settle();
      const double now = total();
      if (now >= least) continue;
      least = now;
      best = chosen_;
    }
    for (size_t s = 0; s < plan_.steps.size(); ++s)
      if (!options_[s].empty()) plan_.steps[s].inner = options_[s][best[s]].inner;
  }

 private:
  // Argument `argument` of step `step`.
  struct Use {
    size_t step = 0, argument = 0;
  };

  void add_step(size_t s) {
    const Step& step = plan_.steps[s];
    std::vector<Option> options;
    const bool known = reaches_[s].loops && step.parallel && !reaches_[s].loops->empty();
    int64_t inner = step.tasks;
    for (size_t i = 0; known && i < reaches_[s].loops->size(); ++i) {
      const int64_t extent = (*reaches_[s].loops)[i].extent;
      if (extent > 1 && (options.empty() || inner >= workers_)) options.push_back({i, inner, inner / extent});
      inner /= extent;
    }
    options_.push_back(std::move(options));
    chosen_.push_back(0);
    for (size_t a = 0; a < step.arguments.size(); ++a) {
      if (step.arguments[a].place != Place::arena) continue;
      (step.written[a] ? writers_ : readers_)[step.arguments[a].index].push_back({s, a});
    }
  }

  // All steps that can, with parts along one dimension of what they write; the others along their outermost loop. -1:
  // all of them. False if it is the same for all dimensions.
  bool start_along(int dimension) {
    bool any = dimension < 0;
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      chosen_[s] = 0;
      for (size_t o = 0; o < options_[s].size() && dimension >= 0; ++o) {
        const jit::LoopReach& loop = (*reaches_[s].loops)[options_[s][o].loop];
        for (size_t a = 0; a < loop.arguments.size(); ++a) {
          if (!plan_.steps[s].written[a] || loop.arguments[a].dimension != dimension) continue;
          chosen_[s] = o;
          any = true;
        }
      }
    }
    return any;
  }

  void settle() {
    bool changed = true;
    for (int sweep = 0; changed && sweep < kMostSweeps; ++sweep) {
      changed = false;
      for (size_t s = 0; s < plan_.steps.size(); ++s) changed |= choose(s);
    }
  }

  bool choose(size_t s) {
    if (options_[s].size() < 2) return false;
    const size_t before = chosen_[s];
    size_t best = before;
    double least = cost(s);
    for (size_t o = 0; o < options_[s].size(); ++o) {
      chosen_[s] = o;
      const double now = cost(s);
      if (now < 0.98 * least) {
        least = now;
        best = o;
      }
    }
    chosen_[s] = best;
    return best != before;
  }

  // Of a step's own reading and dealing.
  double own_cost(size_t s) {
    const Step& step = plan_.steps[s];
    double bytes = 0, touched = 0;
    for (size_t a = 0; a < step.arguments.size(); ++a) {
      const Location& place = step.arguments[a];
      if (place.place == Place::constant) bytes += constant_bytes(s, a);
      if (place.place != Place::arena) continue;
      const double size = bytes_of(s, a);
      touched += size;
      if (!step.written[a]) bytes += size * strange({s, a}, writers_[place.index]);
    }
    return bytes + touched * unevenness(s);
  }

  // Beside the present choices of the steps around.
  double cost(size_t s) {
    const Step& step = plan_.steps[s];
    double bytes = own_cost(s);
    for (size_t a = 0; a < step.arguments.size(); ++a) {
      const int64_t storage = step.arguments[a].index;
      if (step.arguments[a].place != Place::arena || !step.written[a]) continue;
      for (const Use& reader : readers_[storage]) bytes += bytes_of(s, a) * strange(reader, writers_[storage]);
    }
    return bytes;
  }

  double total() {
    double bytes = 0;
    for (size_t s = 0; s < plan_.steps.size(); ++s) bytes += own_cost(s);
    return bytes;
  }

  double bytes_of(size_t s, size_t argument) const {
    const int64_t storage = plan_.steps[s].arguments[argument].index;
    const bool known = argument < reaches_[s].bytes.size();
    return static_cast<double>(known ? reaches_[s].bytes[argument]
                                     : plan_.storages[static_cast<size_t>(storage)].bytes);
  }

  // How much of the tensor, all workers together, they read and somebody else wrote.
  double strange(const Use& reader, const std::vector<Use>& writers) const {
    double sum = 0;
    for (int worker = 0; worker < workers_; ++worker) {
      const Part read = part(reader, worker);
      double own = 0;
      for (const Use& writer : writers) own += overlap(read, part(writer, worker));
      sum += read.size() - (writers.empty() ? 0 : own / static_cast<double>(writers.size()));
    }
    return sum;
  }

  // Of a constant, what is read beyond once.
  double constant_bytes(size_t s, size_t argument) const {
    if (options_[s].empty() || argument >= reaches_[s].bytes.size()) return 0;
    double sum = -1;
    for (int worker = 0; worker < workers_; ++worker) sum += part({s, argument}, worker).size();
    return kConstantCost * std::max(0.0, sum) * static_cast<double>(reaches_[s].bytes[argument]);
  }

  // By how much the largest part is above the mean.
  double unevenness(size_t s) const {
    if (options_[s].empty()) return 0;
    const int64_t inner = options_[s][chosen_[s]].inner;
    const auto mean = static_cast<double>(inner) / workers_;
    return static_cast<double>((inner + workers_ - 1) / workers_) / mean - 1;
  }

  Part part(const Use& use, int worker) const {
    const Step& step = plan_.steps[use.step];
    if (!step.parallel || step.kind == StepKind::host) return worker == 0 ? Part{} : Part{-1, 1, 0, 0};
    const std::vector<Option>& options = options_[use.step];
    const double share = 1.0 / workers_;
    // Somewhere: as if along a dimension that nobody else knows.
    if (options.empty()) return {static_cast<int>(1000 + use.step), 1, share * worker, share * (worker + 1)};
    const Option& option = options[chosen_[use.step]];
    const jit::LoopReach& loop = (*reaches_[use.step].loops)[option.loop];
    const jit::Reach& reach = loop.arguments[use.argument];
    if (reach.dimension < 0) return {};
    const int64_t first = option.inner * worker / workers_, last = option.inner * (worker + 1) / workers_ - 1;
    if (last < first) return {-1, 1, 0, 0};
    const auto steps = static_cast<double>(std::max<int64_t>(1, loop.extent - 1));
    const auto at = [&](int64_t from, int64_t to, int64_t task) {
      return static_cast<double>(from) + static_cast<double>((to - from) * (task / option.below)) / steps;
    };
    const auto extent = static_cast<double>(reach.extent);
    return {reach.dimension, reach.extent, at(reach.first.lo, reach.last.lo, first) / extent,
            (at(reach.first.hi, reach.last.hi, last) + 1) / extent};
  }

  Plan& plan_;
  const std::vector<StepReach>& reaches_;
  const int workers_;
  std::vector<std::vector<Option>> options_;  // by step; none = nothing is known
  std::vector<size_t> chosen_;
  std::map<int64_t, std::vector<Use>> writers_, readers_;  // by storage
};

}  // namespace

void share_steps(Plan& plan, const std::vector<StepReach>& reaches, int workers) {
  for (Step& step : plan.steps) step.inner = step.tasks;
  if (workers > 1) Sharing(plan, reaches, workers).run();
}

}  // namespace altrt::plan
