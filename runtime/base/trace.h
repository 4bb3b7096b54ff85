#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace altrt::base {

// Wall time since construction.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  double milliseconds() const { return seconds() * 1e3; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// A timeline for chrome://tracing or Perfetto. Off unless trace_start() was called or ALTRT_TRACE=FILE is in the
// environment (then it is written there when the process ends). Thread-safe.
bool trace_enabled();
void trace_start();
// Stops, writes what was collected as JSON and forgets it. Throws Error(io).
void trace_write(const std::string& path);

// One bar of the timeline, from construction to destruction. `name` must outlive the trace (a literal). While tracing
// is off it costs one load and allocates nothing.
class TraceScope {
 public:
  explicit TraceScope(const char* name) : name_(trace_enabled() ? name : nullptr) {
    if (name_) begin_ns_ = now_ns();
  }
  ~TraceScope() {
    if (name_) record(name_, begin_ns_);
  }
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  static int64_t now_ns();
  static void record(const char* name, int64_t begin_ns);

  const char* name_;
  int64_t begin_ns_ = 0;
};

}  // namespace altrt::base
