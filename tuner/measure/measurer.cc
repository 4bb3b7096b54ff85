#include "tuner/measure/measurer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <altrt/error.h>

#include "jit/compile/provide.h"
#include "jit/expr/bound_shape.h"
#include "jit/layout/permute.h"
#include "runtime/base/buffer.h"
#include "runtime/base/trace.h"
#include "runtime/plan/plan.h"

namespace altrt::tuner {
namespace {

constexpr size_t kFinalists = 3;
constexpr int kFinalRuns = 30, kFinalStep = 6;
constexpr double kFinalMs = 150;  // for one finalist's runs
// A first run of so much times the incumbent's time and so much more (memory that nobody touched before, code that
// nobody ran) is not worth another.
constexpr double kHopelessFactor = 2.5, kHopelessMs = 1;
// Cut off sooner than that: it could not be finished within the budget.
constexpr double kCutOffFactor = 8, kCutOffMs = 20;
// So many first runs of each in a race as fit in, of long ones a single one.
constexpr double kFirstRunsMs = 1;
constexpr int kFirstRuns = 3;
constexpr double kLeastSpread = 0.005, kMostSpread = 0.03;

double quantile(std::vector<double> samples, double q) {
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<size_t>(q * static_cast<double>(samples.size() - 1))];
}

// Near the fastest: other programs only ever make a run slower.
double estimate(const std::vector<double>& samples) { return quantile(samples, 0.1); }

double spread(const std::vector<double>& samples) {
  const double low = estimate(samples), middle = quantile(samples, 0.4);
  return std::clamp((middle - low) / middle, kLeastSpread, kMostSpread);
}

}  // namespace

double ConversionTimes::ms(DataType type, const std::vector<int64_t>& shape, const jit::Layout& from,
                           const jit::Layout& to) {
  if (from == to) return 0;
  double& ms = known_[std::string(altrt::to_string(type)) + altrt::to_string(shape) + "|" + jit::to_string(from) + "|" +
                      jit::to_string(to)];
  if (ms > 0) return ms;
  const jit::Permute permute(type, shape, from, to), back(type, shape, to, from);
  if (on_device_) {
    // A kernel that reads and writes at a cautious share of the memory's speed, and its launch.
    constexpr double kBytesPerMs = 1e9, kLaunchMs = 3e-3;
    return ms = kLaunchMs + static_cast<double>(permute.bytes_to() + back.bytes_to()) / kBytesPerMs;
  }
  base::AlignedBuffer source(static_cast<size_t>(back.bytes_to())), target(static_cast<size_t>(permute.bytes_to()));
  source.zero();
  std::vector<double> samples;
  for (int i = 0; i < 5; ++i) {
    const base::Stopwatch watch;
    team_.run(permute.tasks(), plan::chunk(permute.tasks(), team_.threads()),
              [&](int64_t first, int64_t last, int) { permute.run(source.data(), target.data(), first, last); });
    samples.push_back(watch.milliseconds());
  }
  return ms = std::max(estimate(samples), 1e-6);
}

double Measurer::conversions_ms(const jit::GroupDecision& decision) {
  double total = 0;
  for (const jit::TensorDecl& tensor : task_.computation->tensors) {
    const auto others = task_.neighbours.find(tensor.name);
    if (others == task_.neighbours.end()) continue;
    const auto found = decision.layouts.find(tensor.name);
    const jit::Layout own = found == decision.layouts.end() ? jit::Layout{} : found->second;
    const std::vector<int64_t> shape = jit::bound_shape(tensor.shape);
    for (const jit::Layout& other : others->second) {
      total += tensor.role == jit::Role::input ? conversions_.ms(tensor.type, shape, other, own)
                                               : conversions_.ms(tensor.type, shape, own, other);
    }
  }
  return total;
}

namespace {

std::unique_ptr<Machine> machine_of(const MeasurerOptions& options) {
  if (options.device) return make_machine(options.device);
  return options.workers ? make_machine(options.team, options.target, options.workers)
                         : make_machine(options.team, options.target);
}

}  // namespace

Measurer::Measurer(const Task& task, Candidate initial, std::string prefix, const MeasurerOptions& options)
    : task_(task),
      prefix_(std::move(prefix)),
      target_(options.target),
      team_(options.team),
      cold_weights_(options.cold_weights),
      bench_(std::make_shared<const Data>(
                 exact_data(*task.computation, !jit::winograd_sizes(*task.computation).empty(), options.seed)),
             options.team, machine_of(options)),
      gate_(*task.computation, options.target, bench_, options.team),
      conversions_(options.team, options.device != nullptr),
      incumbent_(initial),
      initial_(std::move(initial)) {}

Measurer::~Measurer() = default;

std::vector<Candidate> Measurer::compile(const std::vector<jit::GroupDecision>& decisions,
                                         std::vector<Outcome>& outcomes, const Stop& stop) {
  const base::TraceScope trace("tuner: compile");
  std::vector<std::optional<Candidate>> made(decisions.size());
  std::atomic<bool> stopped{stop()};
  team_.run(static_cast<int64_t>(decisions.size()), 1, [&](int64_t first, int64_t last, int worker) {
    for (int64_t i = first; i < last; ++i) {
      const auto number = static_cast<size_t>(i);
      Outcome& outcome = outcomes[number];
      outcome.reason = "stopped";
      if (worker == 0 && stop()) stopped = true;
      if (stopped) continue;
      try {
        made[number] = bench_.candidate(
            decisions[number],
            jit::compile(*task_.computation, decisions[number], target_, prefix_ + std::to_string(compiled_ + number),
                         jit::MathMode::expanded, bench_.machine().emitter(worker)));
        outcome.reason.clear();
      } catch (const Error& error) {
        outcome.reason = error.code() == ErrorCode::internal ? std::string("internal: ") + error.what() : error.what();
      } catch (const std::exception& error) {
        outcome.reason = error.what();
      }
    }
  });
  compiled_ += decisions.size();
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < made.size(); ++i) candidates.push_back(made[i] ? std::move(*made[i]) : Candidate{});
  return candidates;
}

Verdict Measurer::judge(const Candidate& candidate, Bound& bound, double limit_ms, const Stop& stop) {
  for (bool again = false;; again = true) {
    try {
      const Verdict verdict = gate_.check(candidate, bound, limit_ms, stop);
      if (!verdict.did_damage) return verdict;
      bench_.machine().distrust();
      bench_.repair(bound);
      return verdict;
    } catch (const CandidateDied& death) {
      bench_.repair(bound);
      if (again || !death.may_be_innocent()) return {death.what()};
    }
  }
}

std::vector<Measurer::Runner> Measurer::admit(std::vector<Candidate> candidates, std::vector<Outcome>& outcomes,
                                              const Stop& stop) {
  const base::TraceScope trace("tuner: gate");
  std::vector<Runner> runners;
  const double limit_ms =
      started_ ? kCutOffFactor * incumbent_ms_ + kCutOffMs : std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < candidates.size(); ++i) {
    Outcome& outcome = outcomes[i];
    if (!candidates[i].group) continue;
    if (stop()) {
      outcome.reason = "stopped";
      continue;
    }
    try {
      Runner runner;
      runner.bound = bench_.bind(candidates[i]);
      const Verdict verdict = judge(candidates[i], runner.bound, limit_ms, stop);
      outcome.reason = verdict.fault;
      if (!outcome.reason.empty()) continue;
      runner.first_ms = verdict.ms;
      runner.conversions = conversions_ms(candidates[i].decision);
      runner.candidate = std::move(candidates[i]);
      runner.number = i;
      runners.push_back(std::move(runner));
    } catch (const Error& error) {
      outcome.reason = error.what();
    }
  }
  // The gate of one candidate may have overwritten what another shares with it.
  for (Runner& runner : runners) {
    try {
      bench_.restore_constants(runner.bound);
    } catch (const CandidateDied& death) {
      bench_.repair(runner.bound);
      outcomes[runner.number].reason = runner.fault = death.what();
    }
  }
  std::erase_if(runners, [](const Runner& runner) { return !runner.fault.empty(); });
  return runners;
}

std::string Measurer::fault_in_use(const Candidate& candidate, Bound& bound) {
  try {
    return gate_.check_use(candidate, bound);
  } catch (const CandidateDied& death) {
    bench_.repair(bound);
    return death.what();
  }
}

std::optional<Candidate> Measurer::make(const jit::GroupDecision& decision, const Stop& stop, std::string& fault) {
  std::vector<Outcome> outcomes(1);
  Candidate candidate = std::move(compile({decision}, outcomes, stop)[0]);
  fault = outcomes[0].reason;
  if (!fault.empty()) return std::nullopt;
  Bound bound = bench_.bind(candidate);
  fault = judge(candidate, bound, std::numeric_limits<double>::infinity(), stop).fault;
  if (fault.empty()) fault = fault_in_use(candidate, bound);
  if (!fault.empty()) return std::nullopt;
  load_here(candidate);
  return candidate;
}

void Measurer::load_here(Candidate& candidate) const {
  if (candidate.loaded.empty()) candidate.loaded = jit::load(*candidate.group, candidate.decision, bench_.device());
}

void Measurer::time_once(Runner& runner) {
  for (bool again = false; runner.fault.empty(); again = true) {
    try {
      runner.times.push_back(bench_.time(runner.bound, cold_weights_));
      return;
    } catch (const CandidateDied& death) {
      bench_.repair(runner.bound);
      if (again || !death.may_be_innocent()) runner.fault = death.what();
    }
  }
}

void Measurer::drop_dead(std::vector<Runner*>& runners, std::vector<Outcome>& outcomes) const {
  if (!incumbent_runner_.fault.empty()) {
    throw Error(ErrorCode::internal,
                "group '" + task_.name + "': the best decision so far: " + incumbent_runner_.fault);
  }
  std::erase_if(runners, [&](const Runner* runner) {
    if (!runner->fault.empty()) outcomes[runner->number] = {.reason = runner->fault};
    return !runner->fault.empty();
  });
}

double Measurer::time_of(const Runner& runner) const { return estimate(runner.times) + runner.conversions; }

bool Measurer::start(const Stop& stop) {
  if (started_) return true;
  std::vector<Outcome> outcomes(1);
  std::vector<Runner> runners = admit({initial_}, outcomes, stop);
  if (runners.empty()) {
    if (outcomes[0].reason == "stopped") return false;
    throw Error(ErrorCode::internal, "group '" + task_.name + "': default decision: " + outcomes[0].reason);
  }
  incumbent_runner_ = std::move(runners[0]);
  std::vector<double>& times = incumbent_runner_.times;
  const base::Stopwatch watch;
  while (times.size() < 3 || (times.size() < 15 && watch.milliseconds() < kFinalMs)) {
    time_once(incumbent_runner_);
    std::vector<Runner*> none;
    drop_dead(none, outcomes);
    if (stop()) break;
  }
  initial_ms_ = incumbent_ms_ = time_of(incumbent_runner_);
  started_ = true;
  return true;
}

bool Measurer::round(const std::vector<Runner*>& runners, int runs, const Stop& stop) {
  for (int r = 0; r < runs; ++r) {
    time_once(incumbent_runner_);
    for (size_t i = 0; i < runners.size(); ++i) {
      time_once(*runners[i]);
      if (runs == 1 && i == runners.size() / 2) time_once(incumbent_runner_);
      if (stop()) return false;
    }
  }
  if (runs == 1) time_once(incumbent_runner_);
  return true;
}

void Measurer::forget_times(const std::vector<Runner*>& runners) {
  incumbent_runner_.times.clear();
  for (Runner* runner : runners) runner->times.clear();
}

void Measurer::record(const std::vector<Runner*>& runners, std::vector<Outcome>& outcomes) const {
  // A machine drifts by so much; what is beyond it was a disturbance.
  const double scale = std::clamp(incumbent_ms_ / time_of(incumbent_runner_), 0.6, 1.25);
  for (const Runner* runner : runners) {
    outcomes[runner->number].measured = true;
    outcomes[runner->number].ms = time_of(*runner) * scale;
    outcomes[runner->number].kernels_ms = estimate(runner->times) * scale;
  }
}

std::vector<Measurer::Runner*> Measurer::contenders(std::vector<Runner>& runners,
                                                    std::vector<Outcome>& outcomes) const {
  std::vector<Runner*> contenders;
  for (Runner& runner : runners) {
    if (runner.first_ms <= kHopelessFactor * incumbent_ms_ + kHopelessMs) {
      contenders.push_back(&runner);
      continue;
    }
    outcomes[runner.number].measured = true;
    outcomes[runner.number].ms = runner.first_ms + runner.conversions;
    outcomes[runner.number].kernels_ms = runner.first_ms;
  }
  return contenders;
}

bool Measurer::finals(std::vector<Runner*>& left, std::vector<Outcome>& outcomes, const Stop& stop) {
  forget_times(left);
  const double ms = std::max(incumbent_ms_, 1e-3);
  const int runs = static_cast<int>(std::clamp(kFinalMs / ms, 6.0, static_cast<double>(kFinalRuns)));
  for (int done = 0; done < runs && !left.empty(); done += kFinalStep) {
    const bool stopped = !round(left, std::min(kFinalStep, runs - done), stop);
    drop_dead(left, outcomes);
    if (stopped) return false;
    record(left, outcomes);
    double best = time_of(incumbent_runner_);
    for (const Runner* runner : left) best = std::min(best, time_of(*runner));
    std::erase_if(left, [&](const Runner* r) { return time_of(*r) > best * (1 + spread(r->times)); });
  }
  return true;
}

void Measurer::race(std::vector<Runner>& runners, std::vector<Outcome>& outcomes, const Stop& stop) {
  const base::TraceScope trace("tuner: race");
  const auto faster = [this](const Runner* a, const Runner* b) { return time_of(*a) < time_of(*b); };
  std::vector<Runner*> left = contenders(runners, outcomes);
  const int first_runs = static_cast<int>(std::clamp(kFirstRunsMs / incumbent_ms_, 1.0, double{kFirstRuns}));
  for (const auto& [runs, most] : {std::pair<int, size_t>{first_runs, std::max<size_t>(4, (runners.size() + 3) / 4)},
                                   std::pair<int, size_t>{5, kFinalists}}) {
    if (left.empty()) return;
    forget_times(left);
    const bool stopped = !round(left, runs, stop);
    drop_dead(left, outcomes);
    if (stopped) {
      for (const Runner* runner : left) {
        Outcome& outcome = outcomes[runner->number];
        if (!outcome.measured) outcome.reason = "stopped";
      }
      return;
    }
    record(left, outcomes);
    std::sort(left.begin(), left.end(), faster);
    left.resize(std::min(left.size(), most));
  }
  // Who is clearly behind need not run the finals.
  const double limit = time_of(incumbent_runner_) * 1.03;
  std::erase_if(left, [&](const Runner* runner) { return time_of(*runner) > limit; });
  if (left.empty() || !finals(left, outcomes, stop)) return;
  incumbent_ms_ = std::min(incumbent_ms_, time_of(incumbent_runner_));
  if (left.empty()) return;
  Runner& best = **std::min_element(left.begin(), left.end(), faster);
  const double margin = std::max(spread(incumbent_runner_.times), spread(best.times));
  if (time_of(best) >= time_of(incumbent_runner_) * (1 - margin)) return;
  Outcome& outcome = outcomes[best.number];
  outcome.reason = fault_in_use(best.candidate, best.bound);
  outcome.measured = outcome.reason.empty();
  if (!outcome.measured) return;
  incumbent_ms_ = outcome.ms;
  outcome.is_best = true;
  win(best);
}

void Measurer::win(Runner& runner) {
  incumbent_ = runner.candidate;
  load_here(incumbent_);
  incumbent_runner_ = runner;
}

std::vector<Outcome> Measurer::measure(const std::vector<jit::GroupDecision>& decisions, const Stop& stop) {
  std::vector<Outcome> outcomes(decisions.size());
  if (!start(stop)) {
    for (Outcome& outcome : outcomes) outcome.reason = "stopped";
    return outcomes;
  }
  std::vector<Candidate> candidates = compile(decisions, outcomes, stop);
  std::vector<Runner> runners = admit(std::move(candidates), outcomes, stop);
  if (!runners.empty()) race(runners, outcomes, stop);
  runners.clear();
  bench_.trim();
  return outcomes;
}

}  // namespace altrt::tuner
