// The folder in which sessions keep what they learned: records of tunings, compiled code, logs of tunings under way.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <altrt/export.h>

namespace altrt {

/// One thing in the cache.
struct CacheEntry {
  enum class Kind : uint8_t {
    task,      ///< the best decision known for one group of operators
    model,     ///< the plan that a tuning chose for a model
    bundle,    ///< compiled code of a model, for this machine
    trial_log  ///< what a tuning that has not ended tried so far
  } kind = Kind::task;
  std::string name;      ///< operators of a task, name of a model
  std::string file;      ///< inside the folder
  std::string features;  ///< of the processor or device it is for
  std::string mode;      ///< numerics, providers, algorithm
  int threads = 0;       ///< 0 = for a device
  double ms = 0;         ///< latency; 0 = unknown
  int64_t trials = 0;    ///< spent on it
  double seconds = 0;    ///< spent on it
  int64_t bytes = 0;     ///< of files: bundles and logs
  int64_t time = 0;      ///< when it was found or last used: seconds since 1970
};
/// "task", "model", "bundle", "trials"
ALTRT_API const char* to_string(CacheEntry::Kind kind) noexcept;

/// A cache folder. Sessions may use it at the same time; every file is replaced in one step.
class ALTRT_API Cache {
 public:
  /// As CacheOptions::directory: "" = $XDG_CACHE_HOME/altrt or ~/.cache/altrt. The folder need not exist.
  /// Error(invalid_argument) for "none".
  explicit Cache(const std::string& directory = "");

  const std::string& directory() const { return directory_; }
  /// Error(io) if the records can't be read.
  std::vector<CacheEntry> list() const;
  /// Writes all records (no code) to one file, which is valid on any machine. Returns their number. Error(io).
  int64_t export_records(const std::string& file) const;
  /// Takes in the records of such a file; where both know a task, the faster decision stays. Returns the number in the
  /// file. Error(io) says what is wrong with either file.
  int64_t import_records(const std::string& file) const;
  /// Deletes files that were not used for that long, and records found longer ago. Returns the bytes freed.
  int64_t prune(std::chrono::seconds older_than) const;

 private:
  std::string directory_;
};

}  // namespace altrt
