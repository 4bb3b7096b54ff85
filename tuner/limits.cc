#include "tuner/limits.h"

#include <algorithm>
#include <chrono>

namespace altrt::tuner {
namespace {

constexpr double kCallbackSeconds = 0.1;

}  // namespace

Limits::Limits(const TuningOptions& options, double spent_seconds, int64_t spent_trials) : options_(options) {
  const double budget = std::chrono::duration<double>(options.budget).count();
  if (budget > 0) budget_s_ = std::max(0.0, budget - spent_seconds);
  if (options.max_trials > 0) trials_left_ = std::max<int64_t>(0, options.max_trials - spent_trials);
}

bool Limits::over(base::FunctionRef<TuningProgress()> progress) {
  const double now = watch_.seconds();
  if (!cancelled_ && options_.progress && now - last_callback_s_ >= kCallbackSeconds) {
    last_callback_s_ = now;
    cancelled_ = !options_.progress(progress());
  }
  return cancelled_ || now >= budget_s_ - kept_back_s_;
}

}  // namespace altrt::tuner
