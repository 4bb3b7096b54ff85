#include "tuner/whole_plan.h"

#include <algorithm>
#include <random>

#include <altrt/error.h>

#include "runtime/base/trace.h"
#include "runtime/plan/build.h"

namespace altrt::tuner {
namespace {

constexpr size_t kLeastRuns = 3, kMostRuns = 40;

/// A plan with memory and bound inputs and outputs.
class Runner {
 public:
  Runner(std::shared_ptr<const plan::Plan> plan, base::Team& team)
      : memory_(plan, team.threads()), team_(team), group_samples_(plan->groups.size()) {
    const graph::Graph& graph = *plan->graph;
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::vector<void*> inputs, outputs;
    for (const int v : graph.inputs) {
      Tensor& tensor = tensors_.emplace_back(graph.values[static_cast<size_t>(v)].type, shape_of(graph, v));
      // Integers stay 0: an index that is always there.
      if (tensor.type() == DataType::f32) {
        std::generate_n(tensor.as<float>(), element_count(tensor.shape()), [&] { return normal(random); });
      }
    }
    for (Tensor& tensor : tensors_) inputs.push_back(tensor.data());
    std::vector<Tensor> results;
    for (const int v : graph.outputs) {
      results.emplace_back(graph.values[static_cast<size_t>(v)].type, shape_of(graph, v));
    }
    for (Tensor& tensor : results) outputs.push_back(tensor.data());
    for (Tensor& tensor : results) tensors_.push_back(std::move(tensor));
    memory_.bind(inputs, outputs);
  }

  void run(bool record) {
    std::vector<double> reports(memory_.plan().kernels.size(), 0.0);
    {
      base::Team::Lease lease(team_);
      memory_.profile(lease, reports);
    }
    if (!record) return;
    ++runs_;
    // The conversions that a group asks for are reported before it.
    double pending = 0;
    size_t group = 0;
    for (size_t r = 0; r < reports.size(); ++r) {
      pending += reports[r];
      const bool is_group = group < group_samples_.size() && memory_.plan().kernels[r].algorithm != "permute";
      if (!is_group) continue;
      group_samples_[group++].push_back(pending);
      pending = 0;
    }
  }
  static double low(std::vector<double> samples) {
    if (samples.empty()) return 0;
    std::sort(samples.begin(), samples.end());
    return samples[samples.size() / 8];
  }
  // Of all groups: what disturbs one step of one run disturbs nothing else.
  double ms() const {
    double sum = 0;
    for (const double ms : group_ms()) sum += ms;
    return sum;
  }
  std::vector<double> group_ms() const {
    std::vector<double> ms;
    for (const std::vector<double>& samples : group_samples_) ms.push_back(low(samples));
    return ms;
  }
  size_t runs() const { return runs_; }

 private:
  static Shape shape_of(const graph::Graph& graph, int v) { return graph.values[static_cast<size_t>(v)].shape; }

  plan::Memory memory_;
  base::Team& team_;
  std::vector<Tensor> tensors_;
  size_t runs_ = 0;
  std::vector<std::vector<double>> group_samples_;
};

}  // namespace

std::shared_ptr<const plan::Plan> build_plan(const TuneRequest& request, const std::vector<Task>& tasks,
                                             const std::vector<const Candidate*>& candidates) {
  plan::PlanInput input;
  input.graph = request.graph;
  input.groups = request.groups;
  input.decisions = request.initial;
  input.code.resize(request.groups.size());
  for (size_t t = 0; t < tasks.size(); ++t) {
    for (const int g : tasks[t].groups) {
      const auto number = static_cast<size_t>(g);
      input.code[number] = {tasks[t].computation, candidates[t]->group, candidates[t]->loaded};
      if (g == tasks[t].groups.front()) input.decisions[number] = candidates[t]->decision;
    }
  }
  return std::make_shared<const plan::Plan>(plan::build_plan(std::move(input), request.weights, request.team));
}

Comparison compare(const std::shared_ptr<const plan::Plan>& before, const std::shared_ptr<const plan::Plan>& after,
                   base::Team& team, double seconds, const Stop& stop) {
  Runner old_plan(before, team), new_plan(after, team);
  const base::Stopwatch watch;
  // The first runs touch memory for the first time; they count only where there is no time for others.
  old_plan.run(stop());
  new_plan.run(stop());
  while (old_plan.runs() < kMostRuns && (old_plan.runs() < kLeastRuns || watch.seconds() < seconds)) {
    if (old_plan.runs() > 0 && stop()) break;
    old_plan.run(true);
    new_plan.run(true);
  }
  return {old_plan.ms(), new_plan.ms(), old_plan.group_ms(), new_plan.group_ms()};
}

}  // namespace altrt::tuner
