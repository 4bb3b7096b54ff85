// The record store: the best decisions known, one file for all models and machines. Portable: a decision is text, and
// whoever takes one checks that it applies.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace altrt::records {

/// What a decision was measured on.
struct Where {
  std::string features;  // of the target, with its lanes: code made for other features is another experiment
  int threads = 0;
  std::string mode;  // numerics, providers, algorithm

  auto operator<=>(const Where&) const = default;
};

struct TaskKey {
  uint64_t task = 0;  // hash of the Computation
  Where where;

  auto operator<=>(const TaskKey&) const = default;
};
struct TaskRecord {
  std::string ops;       // "Conv+Add+Relu"
  std::string decision;  // canonical, as text
  double ms = 0;
  int64_t trials = 0;
  double seconds = 0;  // spent on the task
  int64_t time = 0;    // when it was found: seconds since 1970
  std::string choice;  // the point of the search spaces: a start for similar groups; may be empty

  bool operator==(const TaskRecord&) const = default;
};

/// What all tunings of a model took together, and the largest budgets that one of them came to the end of: with
/// nothing left to try, a tuning ends before its budget is spent.
struct Spent {
  int64_t trials = 0;
  double seconds = 0;
  int64_t budget_trials = 0;
  double budget_seconds = 0;

  bool operator==(const Spent&) const = default;
};
/// The larger figure of both, each by itself.
Spent larger(const Spent& a, const Spent& b);
/// Finite and not negative.
bool plausible(const Spent& spent);

struct ModelKey {
  uint64_t model = 0;  // hash of the simplified graph with its constants
  Where where;

  auto operator<=>(const ModelKey&) const = default;
};
/// The plan that a tuning chose, and what was spent on it over all starts.
struct ModelRecord {
  std::string name;                    // for people
  std::vector<std::string> decisions;  // one per group, as text; "" for host groups
  double ms = 0;                       // of the whole plan; 0 = unknown
  Spent spent;
  int64_t time = 0;

  bool operator==(const ModelRecord&) const = default;
};

struct Records {
  std::map<TaskKey, TaskRecord> tasks;
  std::map<ModelKey, ModelRecord> models;

  bool empty() const { return tasks.empty() && models.empty(); }
  size_t size() const { return tasks.size() + models.size(); }
  bool operator==(const Records&) const = default;
};

/// Takes in `from`: for a task the faster decision, for a model the plan on which more was spent. What was spent is the
/// larger figure of both, so that merging twice changes nothing.
void merge(Records& into, const Records& from);

struct ReadRecords {
  Records records;
  std::string trouble;  // why the file could not be used; "" also if there is none
};
/// Entries that say nothing (no decision, no time) are left out.
ReadRecords read_records(const std::string& path);
/// Replaces the file. "" or what went wrong.
std::string write_records(const std::string& path, const Records& records);

/// Changes the folder's file under its lock. A file that can't be used counts as empty. Nothing is written if `change`
/// leaves all as it is. "" or what went wrong.
std::string change_records(const std::string& folder, const std::function<void(Records&)>& change);

/// Merges with what the folder's file holds by now, under the folder's lock; a file that can't be used is replaced.
/// `merged`, where given, receives what was written. "" or what went wrong.
std::string add_records(const std::string& folder, const Records& records, Records* merged = nullptr);

}  // namespace altrt::records
