// A session and the cache's folder: what earlier starts left for this one, and what this one leaves. Nothing here
// throws because of files: what can't be used is a miss, a reason in SessionInfo and, where something is wrong, a
// warning.
#pragma once

#include <altrt/session.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/function_ref.h"
#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"
#include "runtime/records/bundle.h"
#include "runtime/records/store.h"
#include "runtime/records/trial_log.h"
#include "runtime/session/options.h"
#include "runtime/session/stages.h"

namespace altrt::session {

class SessionCache {
 public:
  /// Finds the folder and reads its records.
  SessionCache(const SessionOptions& options, const Machine& machine, const graph::Graph& graph, base::Team& team);

  /// The code that an earlier start kept for exactly this model, machine and options, loaded. None if tuning is to go
  /// on. The decisions of a kept plan are remembered for `with_records` in any case. On a device, kernels of
  /// conversions are added to `conversions`.
  std::optional<LoadedGroups> find_code(const std::vector<graph::Group>& groups, plan::Conversions* conversions);
  /// The plan that an earlier tuning chose, where its decisions still apply; `defaults` elsewhere.
  graph::Decisions with_records(graph::Decisions defaults, const std::vector<graph::Group>& groups);

  /// Whether the options ask for more tuning than earlier starts came to the end of.
  bool wants_tuning() const;
  const records::Spent& spent() const { return known_.spent; }
  const records::Records& records() const { return records_; }
  const records::Where& where() const { return key_.where; }
  /// The log of the tuning that begins, with the trials of one that was killed. Null without a folder.
  std::unique_ptr<records::TrialLog> open_log();
  /// Keeps what a tuning found, its plan and the best decisions of its tasks.
  void add(records::ModelRecord plan, std::map<uint64_t, records::TaskRecord> tasks);

  /// Keeps code for later starts. `conversions`: on a device.
  void save_code(const CompiledGroups& compiled, const std::vector<graph::Group>& groups,
                 const plan::Conversions* conversions);

  const std::string& folder() const { return folder_; }
  const std::vector<std::string>& reasons() const { return reasons_; }

 private:
  void miss(const std::string& reason) { reasons_.push_back(reason); }
  /// A miss that somebody should look at.
  void trouble(const std::string& file, const std::string& what);
  /// Turns exceptions (no memory) into trouble.
  void guarded(const std::string& file, base::FunctionRef<void()> action);
  bool prepare_folder();
  std::string path(const std::string& suffix) const;
  records::Fingerprint fingerprint() const;

  const SessionOptions& options_;
  const Machine& machine_;
  std::string model_;   // its name, for people
  std::string folder_;  // "": no files
  records::ModelKey key_;
  records::Records records_;
  records::ModelRecord known_;  // of this model; empty if there is none
  bool was_writable_ = true;    // false after the first failure: one warning is enough
  std::vector<std::string> reasons_;
};

}  // namespace altrt::session
