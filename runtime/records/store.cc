#include "runtime/records/store.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/records/file.h"
#include "runtime/records/folder.h"
#include "runtime/records/wire.h"

namespace altrt::records {
namespace {

// Records outlive builds of the library: all that must agree is how decisions are written.
const Fingerprint& records_fingerprint() {
  static const Fingerprint fingerprint{{"decision language", "1"}};
  return fingerprint;
}

bool plausible(double value) { return std::isfinite(value) && value >= 0; }

bool plausible(const TaskRecord& record) {
  return !record.decision.empty() && plausible(record.ms) && record.ms > 0 && plausible(record.seconds) &&
         record.trials >= 0;
}

bool plausible(const ModelRecord& record) { return plausible(record.ms) && plausible(record.spent); }

// A total order, so that merging gives the same result in every order.
bool better(const TaskRecord& a, const TaskRecord& b) {
  if (a.ms != b.ms) return a.ms < b.ms;
  if (a.time != b.time) return a.time > b.time;
  return a.decision < b.decision;
}

bool better(const ModelRecord& a, const ModelRecord& b) {
  if (a.decisions.empty() != b.decisions.empty()) return b.decisions.empty();
  if (a.spent.trials != b.spent.trials) return a.spent.trials > b.spent.trials;
  if (a.spent.seconds != b.spent.seconds) return a.spent.seconds > b.spent.seconds;
  if (a.time != b.time) return a.time > b.time;
  return a.decisions < b.decisions;
}

void take_in(TaskRecord& into, const TaskRecord& record) {
  const int64_t trials = std::max(into.trials, record.trials);
  const double seconds = std::max(into.seconds, record.seconds);
  if (better(record, into)) into = record;
  into.trials = trials;
  into.seconds = seconds;
}

void take_in(ModelRecord& into, const ModelRecord& record) {
  const Spent spent = larger(into.spent, record.spent);
  if (better(record, into)) into = record;
  into.spent = spent;
}

template <typename Map>
void merge_maps(Map& into, const Map& from) {
  for (const auto& [key, record] : from) {
    const auto [place, added] = into.emplace(key, record);
    if (!added) take_in(place->second, record);
  }
}

flatbuffers::Offset<wire::Task> write_task(flatbuffers::FlatBufferBuilder& builder, const TaskKey& key,
                                           const TaskRecord& record) {
  const auto where = write(builder, key.where);
  const auto ops = builder.CreateString(record.ops);
  const auto decision = builder.CreateString(record.decision);
  const auto choice = builder.CreateString(record.choice);
  return wire::CreateTask(builder, key.task, where, ops, decision, record.ms, record.trials, record.seconds,
                          record.time, choice);
}

flatbuffers::Offset<wire::Model> write_model(flatbuffers::FlatBufferBuilder& builder, const ModelKey& key,
                                             const ModelRecord& record) {
  const auto where = write(builder, key.where);
  const auto name = builder.CreateString(record.name);
  const auto decisions = builder.CreateVectorOfStrings(record.decisions);
  const wire::Spent spent = write(record.spent);
  return wire::CreateModel(builder, key.model, where, name, decisions, record.ms, &spent, record.time);
}

void read_task(const wire::Task& table, Records& records) {
  TaskRecord record{read(table.ops()), read(table.decision()), table.ms(),          table.trials(),
                    table.seconds(),   table.time(),           read(table.choice())};
  if (plausible(record)) records.tasks[{table.task(), read(table.where())}] = std::move(record);
}

void read_model(const wire::Model& table, Records& records) {
  ModelRecord record;
  record.name = read(table.name());
  if (table.decisions()) {
    for (const flatbuffers::String* decision : *table.decisions()) record.decisions.push_back(read(decision));
  }
  record.ms = table.ms();
  record.spent = read(table.spent());
  record.time = table.time();
  if (plausible(record)) records.models[{table.model(), read(table.where())}] = std::move(record);
}

}  // namespace

Spent larger(const Spent& a, const Spent& b) {
  return {std::max(a.trials, b.trials), std::max(a.seconds, b.seconds), std::max(a.budget_trials, b.budget_trials),
          std::max(a.budget_seconds, b.budget_seconds)};
}

bool plausible(const Spent& spent) {
  return spent.trials >= 0 && plausible(spent.seconds) && spent.budget_trials >= 0 && plausible(spent.budget_seconds);
}

void merge(Records& into, const Records& from) {
  merge_maps(into.tasks, from.tasks);
  merge_maps(into.models, from.models);
}

ReadRecords read_records(const std::string& path) {
  ReadRecords result;
  const FileContent content = read_file(path, Kind::records, Trust::data);
  result.trouble = content.trouble;
  if (!content.file) return result;
  const auto* table = verified<wire::Records>(content.payload());
  if (!table) {
    result.trouble = "malformed";
    return result;
  }
  result.trouble = difference(read(table->fingerprint()), records_fingerprint());
  if (!result.trouble.empty()) return result;
  if (table->tasks()) {
    for (const wire::Task* task : *table->tasks()) read_task(*task, result.records);
  }
  if (table->models()) {
    for (const wire::Model* model : *table->models()) read_model(*model, result.records);
  }
  return result;
}

std::string write_records(const std::string& path, const Records& records) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<wire::Task>> tasks;
  for (const auto& [key, record] : records.tasks) tasks.push_back(write_task(builder, key, record));
  std::vector<flatbuffers::Offset<wire::Model>> models;
  for (const auto& [key, record] : records.models) models.push_back(write_model(builder, key, record));
  const auto fingerprint = write(builder, records_fingerprint());
  const auto tasks_offset = builder.CreateVector(tasks);
  const auto models_offset = builder.CreateVector(models);
  builder.Finish(wire::CreateRecords(builder, fingerprint, tasks_offset, models_offset));
  return write_file(path, Kind::records, bytes_of(builder));
}

std::string change_records(const std::string& folder, const std::function<void(Records&)>& change) {
  const FolderLock lock(folder);
  const std::string path = folder + "/" + kRecordsFile;
  const Records before = read_records(path).records;
  Records after = before;
  change(after);
  return after == before ? "" : write_records(path, after);
}

std::string add_records(const std::string& folder, const Records& records, Records* merged) {
  return change_records(folder, [&](Records& all) {
    merge(all, records);
    if (merged) *merged = all;
  });
}

}  // namespace altrt::records
