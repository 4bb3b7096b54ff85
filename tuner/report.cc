// What a tuning did, for people.
#include <cstdio>
#include <map>
#include <string>

#include "tuner/tune.h"

namespace altrt::tuner {

std::string to_string(const TuneResult& result) {
  std::string text;
  char line[256];
  for (const TaskReport& task : result.tasks) {
    std::snprintf(line, sizeof line, "%4d x %8.4f ms -> %8.4f ms  %5lld trials of %.0f (%.0f with divisors alone)  ",
                  task.groups, task.initial_ms, task.best_ms, static_cast<long long>(task.trials), task.space,
                  task.of_divisors);
    text += line + task.name + " " + task.ops + "\n";
  }
  std::map<std::string, Tally> layouts;
  for (const TaskReport& task : result.tasks) {
    for (const auto& [what, tally] : task.layouts) {
      layouts[what].proposed += tally.proposed;
      layouts[what].measured += tally.measured;
      layouts[what].won += tally.won;
    }
  }
  for (const auto& [what, tally] : layouts) {
    text += what + (what == "layouts" ? " other than the untuned ones: " : ": ") + std::to_string(tally.proposed) +
            " candidates proposed, " + std::to_string(tally.measured) + " measured, " + std::to_string(tally.won) +
            " became the best\n";
  }
  for (const auto& [reason, count] : result.rejected) text += std::to_string(count) + " rejected: " + reason + "\n";
  std::snprintf(line, sizeof line,
                "%lld trials in %.1f s, %.1f %% of it for proposing and learning; whole plan %.3f ms -> %.3f ms\n",
                static_cast<long long>(result.trials), result.seconds,
                result.seconds > 0 ? 100 * result.search_seconds / result.seconds : 0, result.initial_ms,
                result.tuned_ms);
  return text + line;
}

}  // namespace altrt::tuner
