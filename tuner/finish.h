// The end of a tuning: which of the measured decisions each group gets, conversions between them counted, and whether
// the plan that they make is faster than the one before.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/graph/placement.h"
#include "tuner/limits.h"
#include "tuner/state.h"
#include "tuner/whole_plan.h"

namespace altrt::tuner {

/// The measurer of a task, made when first asked for.
using MeasurerOf = std::function<Measurer&(size_t task)>;

/// Refers to its arguments.
class Finish {
 public:
  /// `before` runs the plan that would be used without tuning, null if it can't be run; making it took `packing_s`.
  Finish(const TuneRequest& request, const std::vector<Task>& tasks, const std::vector<TaskState>& states,
         const Limits& limits, Stop over, MeasurerOf measurer, PlanRunner* before, double packing_s);

  /// Chooses, compares as far as time allows, and fills in decisions, code, times, reports and records.
  void into(TuneResult& result);

 private:
  Selection selection(bool tuned) const;
  /// The best decisions with conversions placed over the whole graph; absent if that is no gain or can't be compiled.
  std::optional<Selection> placed(const Selection& best);
  std::vector<graph::Alternatives> points() const;
  std::shared_ptr<const Candidate> make(size_t task, const jit::GroupDecision& decision);
  bool is_changed(size_t group, const Selection& chosen) const;
  /// Times the chosen plan against the one before tuning; takes back what is slower in its place.
  void confirm(Selection& chosen, TuneResult& result);
  /// The faster of both plans, timed beside the one before tuning.
  void choose(Selection& chosen, const Selection& other);
  bool revert_slower(const PlanRunner& after, Selection& chosen) const;
  void publish(const Selection& chosen, TuneResult& result) const;
  void publish_record(size_t task, TuneResult& result) const;

  const TuneRequest& request_;
  const std::vector<Task>& tasks_;
  const std::vector<TaskState>& states_;
  const Limits& limits_;
  const Stop over_;
  const MeasurerOf measurer_;
  PlanRunner* const before_;
  const double packing_s_;
  const Selection initial_;
};

}  // namespace altrt::tuner
