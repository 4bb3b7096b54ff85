// What a guest in somebody else's process must leave as it found it.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace altrt {

/// The process's and this thread's state where it is made, as text by name.
class ProcessState {
 public:
  ProcessState() {
    add_signals();
#if defined(__x86_64__)
    unsigned short x87 = 0;
    asm volatile("fnstcw %0" : "=m"(x87));
    items_["x87"] = std::to_string(x87);
    items_["mxcsr"] = std::to_string(_mm_getcsr());
#endif
    items_["locale"] = std::setlocale(LC_ALL, nullptr);
    char path[4096];
    items_["folder"] = getcwd(path, sizeof path) ? path : "";
    const mode_t mask = umask(0);
    umask(mask);
    items_["umask"] = std::to_string(mask);
    for (char** entry = environ; *entry; ++entry) items_["environment"].append(*entry).append("\n");
    for (int kind = 0; kind < RLIM_NLIMITS; ++kind) {
      rlimit limit{};
      getrlimit(static_cast<__rlimit_resource>(kind), &limit);
      items_["limit " + std::to_string(kind)] =
          std::to_string(limit.rlim_cur) + " of " + std::to_string(limit.rlim_max);
    }
  }

  /// One line for each thing that differs: "mxcsr: 8064 instead of 40896". Empty where nothing does.
  std::string difference_from(const ProcessState& before) const {
    std::string lines;
    for (const auto& [name, value] : items_) {
      const auto old = before.items_.find(name);
      const std::string was = old == before.items_.end() ? "nothing" : old->second;
      if (value != was) lines.append(name).append(": ").append(value).append(" instead of ").append(was).append("\n");
    }
    return lines;
  }

 private:
  void add_signals() {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (int signal = 1; signal <= 64; ++signal) {
      struct sigaction action {};
      if (sigaction(signal, nullptr, &action) != 0) continue;
      char text[80];
      std::snprintf(text, sizeof text, "handler %p, flags %x, %s", reinterpret_cast<void*>(action.sa_handler),
                    static_cast<unsigned>(action.sa_flags), sigismember(&blocked, signal) ? "blocked" : "open");
      items_["signal " + std::to_string(signal)] = text;
    }
  }

  std::map<std::string, std::string> items_;
};

/// Sends stdout and stderr of the whole process to a file, until stop.
class CapturedOutput {
 public:
  CapturedOutput() {
    std::fflush(nullptr);
    file_ = std::tmpfile();
    for (const int stream : {1, 2}) saved_[stream - 1] = dup(stream);
    for (const int stream : {1, 2}) dup2(fileno(file_), stream);
  }
  ~CapturedOutput() { std::fclose(file_); }
  CapturedOutput(const CapturedOutput&) = delete;
  CapturedOutput& operator=(const CapturedOutput&) = delete;

  /// How many bytes were written. The streams are what they were before.
  int64_t stop() {
    std::fflush(nullptr);
    for (const int stream : {1, 2}) {
      dup2(saved_[stream - 1], stream);
      close(saved_[stream - 1]);
    }
    struct stat info {};
    fstat(fileno(file_), &info);
    return info.st_size;
  }

 private:
  FILE* file_ = nullptr;
  int saved_[2] = {-1, -1};
};

}  // namespace altrt
