#include "runtime/base/log.h"

#include <atomic>
#include <cstdio>
#include <mutex>
#include <string>

#include "runtime/base/env.h"

namespace altrt::base {
namespace {

void write_stderr(LogLevel level, std::string_view message) {
  std::string line = std::string("altrt ") + to_string(level) + ": " + std::string(message) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

struct LogState {
  std::atomic<LogLevel> threshold{LogLevel::off};
  std::mutex mutex;
  LogSink sink;

  LogState() {
    std::string wanted = env("ALTRT_LOG").value_or("off");
    for (LogLevel level : {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
      if (wanted != to_string(level)) continue;
      sink = write_stderr;
      threshold = level;
    }
  }
};

// Never destroyed: threads may log while the process ends.
LogState& state() {
  static LogState* instance = new LogState;
  return *instance;
}

thread_local LogScope* innermost = nullptr;

}  // namespace

const char* to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
    case LogLevel::off:
      return "off";
  }
  return "?";
}

void set_log_sink(LogSink sink, LogLevel threshold) {
  LogState& log_state = state();
  std::lock_guard lock(log_state.mutex);
  log_state.threshold.store(sink ? threshold : LogLevel::off, std::memory_order_relaxed);
  log_state.sink = std::move(sink);
}

LogScope::LogScope(LogSink sink, LogLevel threshold)
    : sink_(std::move(sink)), threshold_(sink_ ? threshold : LogLevel::off), outer_(innermost) {
  innermost = this;
}

LogScope::~LogScope() { innermost = outer_; }

bool log_enabled(LogLevel level) {
  if (level == LogLevel::off) return false;
  return level >= state().threshold.load(std::memory_order_relaxed) || (innermost && level >= innermost->threshold_);
}

void log(LogLevel level, std::string_view message) {
  if (level == LogLevel::off) return;
  if (innermost && level >= innermost->threshold_ && innermost->sink_) innermost->sink_(level, message);
  LogState& log_state = state();
  if (level < log_state.threshold.load(std::memory_order_relaxed)) return;
  std::lock_guard lock(log_state.mutex);
  if (log_state.sink) log_state.sink(level, message);
}

int debug_level() {
  static const int level = static_cast<int>(env_int("ALTRT_DEBUG", 0, 0, 6));
  return level;
}

void debug_print(std::string_view heading, std::string_view text) {
  std::string out = "---- " + std::string(heading) + " ----\n" + std::string(text);
  if (out.back() != '\n') out += '\n';
  std::fwrite(out.data(), 1, out.size(), stderr);
}

}  // namespace altrt::base
