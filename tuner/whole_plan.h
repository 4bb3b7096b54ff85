// Whole plans against each other: what counts in the end.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "runtime/plan/runner.h"
#include "tuner/measure/measurer.h"
#include "tuner/tune.h"

namespace altrt::tuner {

/// What computes a group; null for host groups.
struct Selected {
  const jit::Computation* source = nullptr;  // in whose names the candidate's decision is
  std::shared_ptr<const Candidate> candidate;
};
/// One for each group of the request.
using Selection = std::vector<Selected>;

std::shared_ptr<const plan::Plan> build_plan(const TuneRequest& request, const Selection& selection);

/// A plan with memory of its own, run on made-up inputs. One thread at a time.
class PlanRunner {
 public:
  PlanRunner(std::shared_ptr<const plan::Plan> plan, base::Team& team);

  /// Runs once. The first run touches memory for the first time and does not count if there are others.
  void run();
  size_t runs() const { return runs_; }
  /// Near the fastest run of each group, in its place in the plan, with the conversions that it asked for.
  std::vector<double> group_ms() const;
  /// Of all groups: what disturbs one step of one run disturbs nothing else.
  double ms() const;
  const std::shared_ptr<const plan::Plan>& plan() const { return plan_; }

 private:
  std::shared_ptr<const plan::Plan> plan_;
  std::unique_ptr<plan::Runner> runner_;
  base::Team& team_;
  std::deque<Tensor> tensors_;
  size_t runs_ = 0;
  std::vector<std::vector<double>> samples_;  // per group
};

/// Runs the plans alternately, three times each and then until `seconds` are over, or forty runs and a tenth of a
/// second, or `stop`.
void alternate(const std::vector<PlanRunner*>& plans, double seconds, const Stop& stop);

}  // namespace altrt::tuner
