#pragma once

#include <functional>
#include <string_view>

namespace altrt::base {

enum class LogLevel { debug, info, warning, error, off };

const char* to_string(LogLevel level);

// Receives one message without a trailing newline. Calls are serialised; a sink must not log.
using LogSink = std::function<void(LogLevel, std::string_view)>;

// Messages of `threshold` and above go to `sink`; an empty sink silences the log. Where this was never called, the
// environment decides, read once: ALTRT_LOG=debug|info|warning|error writes to stderr, otherwise nothing is written.
// Thread-safe; when it returns, the previous sink is no longer running.
void set_log_sink(LogSink sink, LogLevel threshold);

// While it lives, messages of the constructing thread go to `sink` as well (threshold as above): how a session's own
// log callback hears of its construction. Scopes nest; only the innermost hears. An empty sink hears nothing. The sink
// is called without a lock, in the thread that logs.
class LogScope {
 public:
  LogScope(LogSink sink, LogLevel threshold);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  friend void log(LogLevel level, std::string_view message);
  friend bool log_enabled(LogLevel level);

  LogSink sink_;
  LogLevel threshold_;
  LogScope* outer_;
};

// Whether a message of this level reaches a sink; cheap, so that costly messages can be guarded by it.
bool log_enabled(LogLevel level);

void log(LogLevel level, std::string_view message);

// ALTRT_DEBUG=1..6, read once: how many stages of compilation are printed to stderr
// (1 graph, 2 groups, 3 layouts, 4 nests, 5 LLVM IR or CUDA, 6 machine code). 0 where unset.
int debug_level();

// Prints `text` under a heading to stderr. Guard it with debug_level().
void debug_print(std::string_view heading, std::string_view text);

}  // namespace altrt::base
