#include "runtime/base/trace.h"

#include <altrt/error.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "runtime/base/env.h"
#include "runtime/base/log.h"

namespace altrt::base {
namespace {

struct Event {
  const char* name;
  int64_t begin_ns;
  int64_t end_ns;
  int thread;
};

struct TraceState {
  std::atomic<bool> enabled{false};
  std::mutex mutex;
  std::vector<Event> events;
  std::string exit_path;

  TraceState() {
    if (std::optional<std::string> path = env("ALTRT_TRACE")) {
      exit_path = *path;
      enabled = true;
      std::atexit(write_at_exit);
    }
  }
  static void write_at_exit();
};

// Never destroyed: threads may still trace while the process ends.
TraceState& state() {
  static TraceState* instance = new TraceState;
  return *instance;
}

void TraceState::write_at_exit() {
  try {
    trace_write(state().exit_path);
  } catch (const Error& error) {
    log(LogLevel::warning, error.what());
  }
}

int this_thread() {
  static std::atomic<int> count{0};
  thread_local const int id = count.fetch_add(1, std::memory_order_relaxed);
  return id;
}

}  // namespace

bool trace_enabled() { return state().enabled.load(std::memory_order_relaxed); }

void trace_start() { state().enabled.store(true, std::memory_order_relaxed); }

void trace_write(const std::string& path) {
  TraceState& trace = state();
  trace.enabled.store(false, std::memory_order_relaxed);
  std::vector<Event> events;
  {
    std::lock_guard lock(trace.mutex);
    events.swap(trace.events);
  }
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (!file) throw Error(ErrorCode::io, "cannot write the trace " + path);
  std::fputs("[", file);
  const char* separator = "\n";
  for (const Event& event : events) {
    std::fprintf(file, "%s{\"name\":\"%s\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%lld.%03d,\"dur\":%lld.%03d}",
                 separator, event.name, static_cast<int>(getpid()), event.thread,
                 static_cast<long long>(event.begin_ns / 1000), static_cast<int>(event.begin_ns % 1000),
                 static_cast<long long>((event.end_ns - event.begin_ns) / 1000),
                 static_cast<int>((event.end_ns - event.begin_ns) % 1000));
    separator = ",\n";
  }
  std::fputs("\n]\n", file);
  const bool failed = std::ferror(file) != 0;
  if (std::fclose(file) != 0 || failed) throw Error(ErrorCode::io, "cannot write the trace " + path);
}

int64_t TraceScope::now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void TraceScope::record(const char* name, int64_t begin_ns) {
  const int64_t end_ns = now_ns();
  const int thread = this_thread();
  TraceState& trace = state();
  std::lock_guard lock(trace.mutex);
  trace.events.push_back({name, begin_ns, end_ns, thread});
}

}  // namespace altrt::base
