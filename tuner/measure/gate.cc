#include "tuner/measure/gate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <altrt/error.h>

#include "jit/compile/provide.h"
#include "jit/compile/stage_loops.h"
#include "jit/expr/algorithms.h"
#include "jit/expr/bound_shape.h"
#include "jit/expr/evaluate.h"
#include "runtime/base/trace.h"

namespace altrt::tuner {
namespace {

constexpr double kTolerance = 1e-5;
constexpr double kOtherDataTolerance = 1e-3;  // small differences that elementary functions and quotients enlarge
constexpr double kWinogradRounding = 8;
constexpr double kNoLimit = std::numeric_limits<double>::infinity();
const auto never = [] { return false; };
constexpr int64_t kNaiveTasks = 64;     // at least, where the loops allow it: a run is cut off between tasks
constexpr double kMostEvaluated = 3e5;  // points that the evaluator may compute

// By how much results on exact data may differ. Sums of Winograd's transformed values may pass 2^24; every wrong term
// is worth 64 and more. Strassen's sums of four integers stay small: all of its results are exact.
double rounding_of(const Candidate& candidate) {
  return jit::winograd_outputs(candidate.decision.algorithm) > 0 ? kWinogradRounding : 0;
}

double work(const jit::Computation& c) {
  double total = 0;
  for (const jit::Stage& stage : c.stages) {
    double points = 1;
    for (const jit::Axis& axis : stage.axes) points *= static_cast<double>(axis.extent.bound);
    for (const jit::Axis& axis : stage.reduce) points *= static_cast<double>(axis.extent.bound);
    total += points;
  }
  return total;
}

// The group of one stage that computes nothing but the point `at` of its output.
jit::Computation at_point(jit::Computation c, const std::vector<int64_t>& at) {
  jit::Stage& stage = c.stages[0];
  jit::Substitution shift;
  for (size_t i = 0; i < stage.axes.size(); ++i) {
    shift[stage.axes[i].name] = jit::Expr(at[i]);
    stage.axes[i].extent = 1;
  }
  for (jit::StateValue& value : stage.state) {
    value.init = jit::substitute(value.init, shift);
    value.update = jit::substitute(value.update, shift);
  }
  for (jit::Expr& result : stage.results) result = jit::substitute(result, shift);
  for (const int output : stage.outputs) {
    for (jit::Extent& extent : c.tensors[static_cast<size_t>(output)].shape) extent = 1;
  }
  return c;
}

bool has_identity_store(const jit::Stage& stage) {
  if (stage.store.size() != stage.axes.size()) return false;
  for (size_t i = 0; i < stage.axes.size(); ++i) {
    if (!stage.store[i].is(jit::ExprKind::variable) || stage.store[i]->name != stage.axes[i].name) return false;
  }
  return true;
}

std::map<std::string, Tensor> evaluate(const jit::Computation& c, const Data& data, bool surrogates) {
  std::map<std::string, Tensor> outputs;
  std::vector<void*> buffers(c.tensors.size(), nullptr);
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    const jit::TensorDecl& tensor = c.tensors[t];
    if (tensor.role == jit::Role::intermediate) continue;
    if (tensor.role == jit::Role::output) {
      buffers[t] = (outputs[tensor.name] = Tensor(tensor.type, jit::bound_shape(tensor.shape))).data();
    } else {
      buffers[t] = const_cast<void*>(data.at(tensor.name).data());
    }
  }
  jit::evaluate(c, buffers, {}, surrogates);
  return outputs;
}

}  // namespace

jit::GroupDecision naive_decision(const jit::Computation& c, int lanes) {
  jit::GroupDecision naive;
  for (const jit::Stage& stage : c.stages) {
    jit::StageSchedule& schedule = naive.schedule[stage.name];
    const std::vector<jit::LoopInfo> loops = jit::stage_loops(c, stage, {});
    std::vector<std::string> outer, inner, reduce;
    for (const jit::LoopInfo& loop : loops) (loop.reduce ? reduce : outer).push_back(loop.name);
    if (lanes > 1 && !outer.empty() && loops[outer.size() - 1].extent >= lanes && !loops[outer.size() - 1].symbolic) {
      const std::string vector = outer.back();
      schedule.split(vector, lanes, jit::Tail::peel).vectorize(vector + ".1");
      outer.back() = vector + ".0";
      inner = {vector + ".1"};
      std::vector<std::string> order = outer;
      order.insert(order.end(), reduce.begin(), reduce.end());
      order.push_back(inner[0]);
      schedule.reorder(order);
    }
    int64_t tasks = 1;
    for (size_t i = 0; i < outer.size() && tasks < kNaiveTasks; ++i) {
      if (!inner.empty() && i + 1 == outer.size()) break;  // its blocks differ in size
      schedule.parallel(outer[i]);
      tasks *= loops[i].extent;
    }
  }
  return naive;
}

Gate::Gate(const jit::Computation& c, const jit::Target& target, Bench& bench, base::Team& team)
    : c_(c),
      target_(target),
      host_target_(bench.device() ? jit::host_target() : target),
      bench_(bench),
      team_(team),
      exact_(is_exact(c)) {
  if (bench.device()) {
    host_bench_ = std::make_unique<Bench>(bench.data(), team, make_machine(team, host_target_));
  }
}

std::optional<Gate::Results> Gate::run(Bench& bench, Bound& bound, double limit_ms, const Stop& stop,
                                       double* ms) const {
  bench.poison(bound);
  bench.run_constants(bound);
  const base::Stopwatch watch;
  {
    base::Team::Lease lease(team_);
    const std::optional<double> run =
        bench.run_until(bound, lease, limit_ms, [&] { return watch.milliseconds() > limit_ms || stop(); });
    if (!run) return std::nullopt;
    if (ms) *ms = *run;
  }
  Results results;
  for (const int output : c_.with_role(jit::Role::output)) {
    const std::string& name = c_.tensors[static_cast<size_t>(output)].name;
    results[name] = bench.read(bound, name);
  }
  return results;
}

// The naive nest as code, in vectors where the compiler can.
Candidate Gate::naive(bool surrogates) {
  Bench& bench = host_bench();
  const jit::Emitter emitter = bench.machine().emitter(0);
  const jit::MathMode math = surrogates ? jit::MathMode::surrogate : jit::MathMode::expanded;
  try {
    const jit::GroupDecision decision = naive_decision(c_, host_target_.lanes);
    return bench.candidate(decision, jit::compile(c_, decision, host_target_, "altrt_naive", math, emitter));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument && error.code() != ErrorCode::unsupported) throw;
  }
  const jit::GroupDecision decision = naive_decision(c_, 1);
  return bench.candidate(decision, jit::compile(c_, decision, host_target_, "altrt_naive", math, emitter));
}

// Null if stopped.
const Gate::Results* Gate::reference(bool surrogates, const Stop& stop) {
  std::optional<Results>& results = surrogates ? surrogate_ : reference_;
  if (results) return &*results;
  const base::TraceScope trace("tuner: reference");
  const Candidate candidate = naive(surrogates);
  Bound bound = host_bench().bind(candidate);
  std::optional<Results> made = run(host_bench(), bound, kNoLimit, stop);
  if (!made) return nullptr;
  check_reference(*made, *bench_.data(), surrogates);
  results = std::move(made);
  return &*results;
}

Gate::Results Gate::run_on(const Data& data, Bench& bench, Bound& bound) {
  bench.set_inputs(bound, data);
  Results results = *run(bench, bound, kNoLimit, never);
  bench.restore_inputs(bound);
  return results;
}

void Gate::check_reference(const Results& results, const Data& data, bool surrogates) const {
  const auto wrong = [&](const std::string& tensor) {
    throw Error(ErrorCode::internal,
                "group '" + c_.name + "': the naive nest and the evaluator differ in '" + tensor + "'");
  };
  if (work(c_) <= kMostEvaluated) {
    for (const auto& [name, tensor] : evaluate(c_, data, surrogates)) {
      if (relative_error(results.at(name), tensor) > (exact_ || surrogates ? 0 : kTolerance)) wrong(name);
    }
    return;
  }
  if (c_.stages.size() != 1 || !has_identity_store(c_.stages[0])) return;
  const jit::Stage& stage = c_.stages[0];
  std::mt19937_64 random(1);
  for (int sample = 0; sample < 12; ++sample) {
    std::vector<int64_t> at;
    int64_t flat = 0;
    for (size_t i = 0; i < stage.axes.size(); ++i) {
      const int64_t extent = stage.axes[i].extent.bound;
      const bool corner = sample < 4;
      at.push_back(corner ? ((sample >> (i & 1)) & 1) * (extent - 1)
                          : static_cast<int64_t>(random() % static_cast<uint64_t>(extent)));
      flat = flat * extent + at.back();
    }
    for (const auto& [name, tensor] : evaluate(at_point(c_, at), data, surrogates)) {
      const Tensor& whole = results.at(name);
      Tensor point(whole.type(), tensor.shape());
      const size_t size = size_of(whole.type());
      std::memcpy(point.data(), static_cast<const uint8_t*>(whole.data()) + static_cast<size_t>(flat) * size, size);
      if (relative_error(point, tensor) > (exact_ || surrogates ? 0 : kTolerance)) wrong(name);
    }
  }
}

// The largest difference; infinite where one is NaN or infinite.
double largest_difference(const Tensor& a, const Tensor& b) {
  if (a.type() != DataType::f32) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (int64_t i = 0; i < element_count(a.shape()); ++i) {
    const double difference = std::abs(static_cast<double>(a.as<float>()[i]) - b.as<float>()[i]);
    if (!(difference <= largest)) largest = difference;
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
  }
  return largest;
}

bool is_nan_alike(const Tensor& a, const Tensor& b) {
  if (a.type() != DataType::f32) return true;
  for (int64_t i = 0; i < element_count(a.shape()); ++i) {
    if (std::isnan(a.as<float>()[i]) != std::isnan(b.as<float>()[i])) return false;
  }
  return true;
}

std::string Gate::compare(const Results& results, const Results& reference, double tolerance, double rounding) const {
  for (const auto& [name, tensor] : reference) {
    const Tensor& found = results.at(name);
    if (std::memcmp(found.data(), tensor.data(), tensor.bytes()) == 0) continue;
    // +0 and -0 are equal, all else is not.
    if (relative_error(found, tensor) <= tolerance) continue;
    if (rounding > 0 && largest_difference(found, tensor) <= rounding) continue;
    return "wrong result in '" + name + "'";
  }
  return "";
}

Verdict Gate::check(const Candidate& candidate, Bound& bound, double limit_ms, const Stop& stop) {
  const Results* expected = reference(false, stop);
  if (!expected) return {"stopped"};
  Verdict verdict;
  const std::optional<Results> results = run(bench_, bound, limit_ms, stop, &verdict.ms);
  if (!results) return {stop() ? "stopped" : "too slow"};
  verdict.fault = bench_.damage(bound);
  verdict.did_damage = !verdict.fault.empty();
  if (verdict.did_damage) return verdict;
  verdict.fault = compare(*results, *expected, 0, rounding_of(candidate));
  if (!verdict.fault.empty() && !exact_) verdict.fault = check_rounded(candidate, *results, limit_ms, stop);
  return verdict;
}

std::string Gate::check_rounded(const Candidate& candidate, const Results& results, double limit_ms, const Stop& stop) {
  const std::string fault = compare(results, *reference(false, stop), kTolerance, 0);
  return fault.empty() ? check_stand_ins(candidate, limit_ms, stop) : fault;
}

std::string Gate::check_stand_ins(const Candidate& candidate, double limit_ms, const Stop& stop) {
  // Stand-ins are the compiler's: other providers' code has none.
  if (candidate.decision.provider != "own") return "";
  const Results* exact = reference(true, stop);
  if (!exact) return "stopped";
  const Candidate twin =
      bench_.candidate(candidate.decision, jit::compile(c_, candidate.decision, target_, "altrt_surrogate",
                                                        jit::MathMode::surrogate, bench_.machine().emitter(0)));
  Bound twin_bound = bench_.bind(twin);
  const std::optional<Results> results = run(bench_, twin_bound, limit_ms, stop);
  if (!results) return stop() ? "stopped" : "too slow";
  return compare(*results, *exact, 0, rounding_of(candidate));
}

std::string Gate::check_use(const Candidate& candidate, Bound& bound) {
  if (candidate.decision.provider != "own") return "";
  const base::TraceScope trace("tuner: check of use");
  std::string fault = check_nan(candidate, bound);
  for (const Placement placement : {Placement::front, Placement::back}) {
    if (fault.empty()) fault = check_placed(candidate, placement);
  }
  if (fault.empty() && !exact_) fault = check_stand_ins(candidate, kNoLimit, never);
  return fault;
}

std::string Gate::check_nan(const Candidate& candidate, Bound& bound) {
  if (!can_lose_nan(c_) || !jit::is_direct(candidate.decision.algorithm)) return "";
  if (probes_.empty()) {
    const Candidate reference = naive(false);
    Bound reference_bound = host_bench().bind(reference);
    std::vector<Data> sets{with_nan(c_, *bench_.data(), false, 1), with_nan(c_, *bench_.data(), true, 1)};
    if (!exact_) {
      sets.push_back(with_small_inputs(c_, *bench_.data()));
      sets.push_back(with_outliers(c_, *bench_.data(), 1));
    }
    for (Data& data : sets) {
      Results results = run_on(data, host_bench(), reference_bound);
      check_reference(results, data, false);
      probes_.push_back({std::move(data), std::move(results)});
    }
  }
  for (const Probe& expected : probes_) {
    const Results results = run_on(expected.data, bench_, bound);
    for (const auto& [name, tensor] : expected.results) {
      if (!is_nan_alike(results.at(name), tensor)) return "NaN is lost or made in '" + name + "'";
    }
    const std::string fault = compare(results, expected.results, exact_ ? 0 : kOtherDataTolerance, 0);
    if (!fault.empty()) return fault;
  }
  return "";
}

std::string Gate::check_placed(const Candidate& candidate, Placement placement) {
  std::unique_ptr<Machine> machine = bench_.machine().with(placement);
  if (!machine) return "";
  Bench bench(bench_.data(), team_, std::move(machine));
  Bound bound = bench.bind(candidate);
  const Results results = *run(bench, bound, kNoLimit, never);
  const std::string damage = bench.damage(bound);
  if (!damage.empty()) {
    bench_.machine().distrust();
    return damage;
  }
  return compare(results, *reference(false, never), exact_ ? 0 : kTolerance, rounding_of(candidate));
}

}  // namespace altrt::tuner
