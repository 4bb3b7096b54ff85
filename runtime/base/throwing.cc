#include "runtime/base/throwing.h"

#include <exception>
#include <mutex>

namespace altrt::base {

void run_throwing(Team& team, int64_t tasks, int64_t grain, TeamFunction function) {
  std::exception_ptr error;
  std::mutex mutex;
  team.run(tasks, grain, [&](int64_t first, int64_t last, int worker) {
    try {
      function(first, last, worker);
    } catch (...) {
      const std::lock_guard lock(mutex);
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace altrt::base
