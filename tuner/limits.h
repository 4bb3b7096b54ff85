// The limits of one tuning: seconds, trials, and the user's wish to stop.
#pragma once

#include <altrt/session.h>

#include <cstdint>
#include <limits>

#include "runtime/base/function_ref.h"
#include "runtime/base/trace.h"

namespace altrt::tuner {

/// One thread. Seconds count from construction.
class Limits {
 public:
  /// Of the options' budget, `spent_seconds` and `spent_trials` are gone already.
  Limits(const TuningOptions& options, double spent_seconds, int64_t spent_trials);

  double seconds() const { return watch_.seconds(); }
  /// Until the budget ends; infinite without one.
  double seconds_left() const { return budget_s_ - watch_.seconds(); }
  double budget_s() const { return budget_s_; }
  int64_t trials_left() const { return trials_left_; }
  void count_trial() { --trials_left_; }

  /// Keeps the last `seconds` of the budget for what follows: until it is called again, over() ends sooner by as much.
  void keep_back(double seconds) { kept_back_s_ = seconds; }
  /// Calls the user back if it is time to; true when time is up or he asked to stop.
  bool over(base::FunctionRef<TuningProgress()> progress);
  bool cancelled() const { return cancelled_; }

 private:
  const TuningOptions& options_;
  base::Stopwatch watch_;
  double budget_s_ = std::numeric_limits<double>::infinity();
  double kept_back_s_ = 0;
  double last_callback_s_ = -1;
  int64_t trials_left_ = std::numeric_limits<int64_t>::max();
  bool cancelled_ = false;
};

}  // namespace altrt::tuner
