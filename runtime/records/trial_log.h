// The trial log: what a tuning has tried so far, so that a killed one goes on where it was.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/trace.h"
#include "runtime/records/file.h"
#include "runtime/records/fingerprint.h"

namespace altrt::records {

struct Trial {
  uint64_t task = 0;     // hash of the Computation
  std::string decision;  // canonical, as text
  double ms = 0;         // best time; 0 if the trial failed
  std::string reason;    // why it failed
  double seconds = 0;    // since the tuning began, over all starts

  bool operator==(const Trial&) const = default;
};

/// An append-only file: a frame with the fingerprint, then framed trials. One process at a time holds it. Not
/// thread-safe.
class TrialLog {
 public:
  /// Opens or begins the log. Trials of an earlier process are kept; a torn tail is cut off, a foreign file is begun
  /// anew, and `trouble` says why. Without a file behind it (it can't be made, or another process holds it) the log
  /// swallows what is appended.
  TrialLog(const std::string& path, const Fingerprint& fingerprint);

  const std::vector<Trial>& earlier() const { return earlier_; }
  const std::string& trouble() const { return trouble_; }
  /// Written at once, so that it outlives the process; on the disk within a second.
  void append(const Trial& trial);
  /// Deletes the file: its results are in the records by now.
  void remove();

 private:
  void begin(const Fingerprint& fingerprint);
  /// The length of the part that can be used.
  size_t read(const Fingerprint& fingerprint);

  std::string path_;
  Descriptor descriptor_;
  std::vector<Trial> earlier_;
  std::string trouble_;
  base::Stopwatch since_sync_;
};

}  // namespace altrt::records
