#include "runtime/plan/sharing.h"

#include <algorithm>
#include <map>
#include <utility>

namespace altrt::plan {
namespace {

// Constants come from memory that nobody writes: read ahead, they cost a part of what others' fresh results do.
constexpr double kConstantCost = 0.1;
constexpr int kMostSweeps = 6;
constexpr int kMostDimensions = 6;
// So many workers stand for all of them.
constexpr int kMostWorkers = 4;

// Runs of one worker's lines between another's: what is read ahead at their ends is the other's, and counts as read by
// both. So much of it, by the length of the runs.
constexpr int64_t kShortRun = 2 << 10, kLongRun = 64 << 10;
constexpr double kShortRunCost = 0.6, kLongRunCost = 0.06;

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
  Sharing(const std::vector<SharedStep>& steps, int workers) : steps_(steps), workers_(workers) {
    for (size_t s = 0; s < steps.size(); ++s) add_step(s);
  }

  std::vector<int64_t> run() {
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
    std::vector<int64_t> inner;
    for (size_t s = 0; s < steps_.size(); ++s)
      inner.push_back(options_[s].empty() ? steps_[s].tasks : options_[s][best[s]].inner);
    return inner;
  }

 private:
  // Argument `argument` of step `step`.
  struct Use {
    size_t step = 0, argument = 0;
  };

  void add_step(size_t s) {
    const SharedStep& step = steps_[s];
    std::vector<Option> options;
    int64_t all = 1;
    for (const jit::LoopReach& loop : step.loops) all *= loop.extent;
    const bool known = step.parallel && all == step.tasks;
    int64_t inner = step.tasks;
    for (size_t i = 0; known && i < step.loops.size(); ++i) {
      const int64_t extent = step.loops[i].extent;
      if (extent > 1 && (options.empty() || inner >= workers_)) options.push_back({i, inner, inner / extent});
      inner /= extent;
    }
    options_.push_back(std::move(options));
    chosen_.push_back(0);
    for (size_t a = 0; a < step.arguments.size(); ++a) {
      const SharedStep::Argument& argument = step.arguments[a];
      if (argument.tensor >= 0) (argument.written ? writers_ : readers_)[argument.tensor].push_back({s, a});
    }
  }

  // All steps that can, with parts along one dimension of what they write; the others along their outermost loop. -1:
  // all of them. False if it is the same for all dimensions.
  bool start_along(int dimension) {
    bool any = dimension < 0;
    for (size_t s = 0; s < steps_.size(); ++s) {
      chosen_[s] = 0;
      for (size_t o = 0; o < options_[s].size() && dimension >= 0; ++o) {
        if (!writes_along(s, o, dimension)) continue;
        chosen_[s] = o;
        any = true;
      }
    }
    return any;
  }

  bool writes_along(size_t s, size_t option, int dimension) const {
    const jit::LoopReach& loop = steps_[s].loops[options_[s][option].loop];
    for (size_t a = 0; a < loop.arguments.size(); ++a)
      if (steps_[s].arguments[a].written && loop.arguments[a].dimension == dimension) return true;
    return false;
  }

  void settle() {
    bool changed = true;
    for (int sweep = 0; changed && sweep < kMostSweeps; ++sweep) {
      changed = false;
      for (size_t s = 0; s < steps_.size(); ++s) changed |= choose(s);
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
    double bytes = 0, touched = 0;
    for (size_t a = 0; a < steps_[s].arguments.size(); ++a) {
      const SharedStep::Argument& argument = steps_[s].arguments[a];
      const auto size = static_cast<double>(argument.bytes);
      if (argument.constant) bytes += kConstantCost * size * more_than_once({s, a});
      if (argument.tensor < 0) continue;
      touched += size;
      bytes += size * between_others({s, a});
      if (!argument.written) bytes += size * strange({s, a}, writers_[argument.tensor]);
    }
    return bytes + touched * unevenness(s);
  }

  // Beside the present choices of the steps around.
  double cost(size_t s) {
    double bytes = own_cost(s);
    for (const SharedStep::Argument& argument : steps_[s].arguments) {
      if (argument.tensor < 0 || !argument.written) continue;
      for (const Use& reader : readers_[argument.tensor])
        bytes += static_cast<double>(argument.bytes) * strange(reader, writers_[argument.tensor]);
    }
    return bytes;
  }

  double total() {
    double bytes = 0;
    for (size_t s = 0; s < steps_.size(); ++s) bytes += own_cost(s);
    return bytes;
  }

  template <typename F>
  double sum_of_workers(F f) const {
    const int asked = std::min(workers_, kMostWorkers);
    double sum = 0;
    for (int i = 0; i < asked; ++i) sum += f(i * workers_ / asked);
    return sum * workers_ / asked;
  }

  // How much of the tensor, all workers together, they read and somebody else wrote.
  double strange(const Use& reader, const std::vector<Use>& writers) const {
    return sum_of_workers([&](int worker) {
      const Part read = part(reader, worker);
      double own = 0;
      for (const Use& writer : writers) own += overlap(read, part(writer, worker));
      return read.size() - (writers.empty() ? 0 : own / static_cast<double>(writers.size()));
    });
  }

  // How much of a tensor is as good as strange since the workers' parts of it alternate.
  double between_others(const Use& use) const {
    if (options_[use.step].empty()) return 0;
    const jit::Reach& reach =
        steps_[use.step].loops[options_[use.step][chosen_[use.step]].loop].arguments[use.argument];
    if (reach.dimension < 0 || reach.runs == 1) return 0;
    const int64_t run = reach.bytes * reach.extent / workers_;
    return run < kShortRun ? kShortRunCost : run < kLongRun ? kLongRunCost : 0;
  }

  // How much of a tensor, all workers together, they read beyond once.
  double more_than_once(const Use& reader) const {
    return std::max(0.0, sum_of_workers([&](int worker) { return part(reader, worker).size(); }) - 1);
  }

  // By how much the largest part is above the mean.
  double unevenness(size_t s) const {
    if (options_[s].empty()) return 0;
    const int64_t inner = options_[s][chosen_[s]].inner;
    const auto mean = static_cast<double>(inner) / workers_;
    return static_cast<double>((inner + workers_ - 1) / workers_) / mean - 1;
  }

  Part part(const Use& use, int worker) const {
    const SharedStep& step = steps_[use.step];
    if (!step.parallel) return worker == 0 ? Part{} : Part{-1, 1, 0, 0};
    const std::vector<Option>& options = options_[use.step];
    const double share = 1.0 / workers_;
    // Somewhere: as if along a dimension that nobody else knows.
    if (options.empty()) return {static_cast<int>(1000 + use.step), 1, share * worker, share * (worker + 1)};
    const Option& option = options[chosen_[use.step]];
    const jit::LoopReach& loop = step.loops[option.loop];
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

  const std::vector<SharedStep>& steps_;
  const int workers_;
  std::vector<std::vector<Option>> options_;  // by step; none = nothing is known
  std::vector<size_t> chosen_;
  std::map<int64_t, std::vector<Use>> writers_, readers_;  // by tensor
};

}  // namespace

std::vector<int64_t> share(const std::vector<SharedStep>& steps, int workers) {
  if (workers > 1) return Sharing(steps, workers).run();
  std::vector<int64_t> inner;
  for (const SharedStep& step : steps) inner.push_back(step.tasks);
  return inner;
}

}  // namespace altrt::plan
