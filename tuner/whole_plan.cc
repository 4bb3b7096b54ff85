#include "tuner/whole_plan.h"

#include <algorithm>
#include <random>

#include <altrt/error.h>

#include "jit/compile/canonical.h"
#include "runtime/base/trace.h"
#include "runtime/plan/build.h"

namespace altrt::tuner {
namespace {

constexpr size_t kLeastRuns = 3, kEnoughRuns = 40;  // the first one is for warming up
constexpr double kEnoughSeconds = 0.1;              // short plans outlast a moment in which the machine does other work

double low(std::vector<double> samples) {
  if (samples.empty()) return 0;
  if (samples.size() > 1) samples.erase(samples.begin());
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 8];
}

}  // namespace

std::shared_ptr<const plan::Plan> build_plan(const TuneRequest& request, const Selection& selection) {
  plan::PlanInput input;
  input.graph = request.graph;
  input.groups = request.groups;
  input.decisions = request.initial;
  input.code.resize(request.groups.size());
  input.device = request.device;
  input.conversions = request.conversions;
  for (size_t g = 0; g < selection.size(); ++g) {
    const auto& [source, candidate] = selection[g];
    if (!candidate) continue;
    input.code[g] = {source, candidate->group, candidate->loaded};
    input.decisions[g] = jit::with_names(jit::canonical(candidate->decision, *source), request.groups[g].computation);
  }
  return std::make_shared<const plan::Plan>(plan::build_plan(std::move(input), request.weights, request.team));
}

PlanRunner::PlanRunner(std::shared_ptr<const plan::Plan> plan, base::Team& team)
    : plan_(std::move(plan)),
      runner_(plan::make_runner(plan_, team.threads())),
      team_(team),
      samples_(plan_->groups.size()) {
  const graph::Graph& graph = *plan_->graph;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<plan::Address> inputs, outputs;
  const auto add = [&](int v) -> Tensor& {
    const graph::Value& value = graph.values[static_cast<size_t>(v)];
    return tensors_.emplace_back(value.type, value.shape);
  };
  for (const int v : graph.inputs) {
    Tensor& tensor = add(v);
    // Integers stay 0: an index that is always there.
    if (tensor.type() == DataType::f32) {
      std::generate_n(tensor.as<float>(), element_count(tensor.shape()), [&] { return normal(random); });
    }
    inputs.push_back({tensor.data()});
  }
  for (const int v : graph.outputs) outputs.push_back({add(v).data()});
  runner_->bind(inputs, outputs);
}

void PlanRunner::run() {
  std::vector<double> reports(plan_->kernels.size(), 0.0);
  {
    base::Team::Lease lease(team_);
    runner_->profile(lease, reports);
  }
  ++runs_;
  // The conversions that a group asks for are reported before it.
  double pending = 0;
  size_t group = 0;
  for (size_t r = 0; r < reports.size(); ++r) {
    pending += reports[r];
    if (group >= samples_.size() || plan_->kernels[r].algorithm == "permute") continue;
    samples_[group++].push_back(pending);
    pending = 0;
  }
  if (group > 0) samples_[group - 1].back() += pending;
}

std::vector<double> PlanRunner::group_ms() const {
  std::vector<double> ms;
  for (const std::vector<double>& samples : samples_) ms.push_back(low(samples));
  return ms;
}

double PlanRunner::ms() const {
  double sum = 0;
  for (const double ms : group_ms()) sum += ms;
  return sum;
}

void alternate(const std::vector<PlanRunner*>& plans, double seconds, const Stop& stop) {
  const base::Stopwatch watch;
  const auto goes_on = [&](size_t runs) {
    if (runs < kLeastRuns) return true;
    const double passed = watch.seconds();
    return passed < seconds && (runs < kEnoughRuns || passed < kEnoughSeconds);
  };
  for (size_t runs = 0; goes_on(runs); ++runs) {
    if (runs > 0 && stop()) break;
    for (PlanRunner* plan : plans) plan->run();
  }
}

}  // namespace altrt::tuner
