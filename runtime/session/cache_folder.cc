// altrt::Cache: the cache's folder for people and tools.
#include <altrt/cache.h>
#include <altrt/error.h>

#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <utility>

#include "runtime/records/bundle.h"
#include "runtime/records/folder.h"
#include "runtime/records/store.h"

namespace altrt {
namespace {

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw Error(ErrorCode::io, file + ": " + what);
}

records::Records read(const std::string& file) {
  records::ReadRecords read = records::read_records(file);
  if (!read.trouble.empty()) fail(file, read.trouble);
  return std::move(read.records);
}

CacheEntry entry_of(CacheEntry::Kind kind, const std::string& name, const records::Where& where) {
  CacheEntry entry;
  entry.kind = kind;
  entry.name = name;
  entry.file = records::kRecordsFile;
  entry.features = where.features;
  entry.threads = where.threads;
  entry.mode = where.mode;
  return entry;
}

CacheEntry entry_of(const std::string& folder, const records::FileEntry& file, CacheEntry::Kind kind) {
  CacheEntry entry;
  entry.kind = kind;
  entry.file = file.name;
  entry.bytes = file.bytes;
  entry.time = file.time;
  records::Fingerprint fingerprint;
  if (kind == CacheEntry::Kind::bundle) fingerprint = records::bundle_fingerprint(folder + "/" + file.name);
  entry.name = fingerprint["name"];
  entry.features = fingerprint["target"];
  entry.mode = fingerprint["mode"];
  entry.threads = std::atoi(fingerprint["threads"].c_str());
  return entry;
}

bool has_suffix(const std::string& name, const std::string& suffix) {
  return name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

template <typename Map>
size_t erase_older(Map& records, int64_t time) {
  return std::erase_if(records, [&](const auto& entry) { return entry.second.time <= time; });
}

}  // namespace

const char* to_string(CacheEntry::Kind kind) noexcept {
  switch (kind) {
    case CacheEntry::Kind::task:
      return "task";
    case CacheEntry::Kind::model:
      return "model";
    case CacheEntry::Kind::bundle:
      return "bundle";
    case CacheEntry::Kind::trial_log:
      return "trials";
  }
  return "?";
}

Cache::Cache(const std::string& directory) : directory_(records::cache_folder(directory)) {
  if (directory_.empty()) throw Error(ErrorCode::invalid_argument, "there is no cache folder");
}

std::vector<CacheEntry> Cache::list() const {
  std::vector<CacheEntry> entries;
  const records::Records records = read(directory_ + "/" + records::kRecordsFile);
  for (const auto& [key, record] : records.models) {
    CacheEntry entry = entry_of(CacheEntry::Kind::model, record.name, key.where);
    entry.ms = record.ms;
    entry.trials = record.spent.trials;
    entry.seconds = record.spent.seconds;
    entry.time = record.time;
    entries.push_back(std::move(entry));
  }
  for (const auto& [key, record] : records.tasks) {
    CacheEntry entry = entry_of(CacheEntry::Kind::task, record.ops, key.where);
    entry.ms = record.ms;
    entry.trials = record.trials;
    entry.seconds = record.seconds;
    entry.time = record.time;
    entries.push_back(std::move(entry));
  }
  for (const records::FileEntry& file : records::list_files(directory_)) {
    if (has_suffix(file.name, records::kBundleSuffix)) {
      entries.push_back(entry_of(directory_, file, CacheEntry::Kind::bundle));
    } else if (has_suffix(file.name, records::kTrialLogSuffix)) {
      entries.push_back(entry_of(directory_, file, CacheEntry::Kind::trial_log));
    }
  }
  return entries;
}

int64_t Cache::export_records(const std::string& file) const {
  const records::Records records = read(directory_ + "/" + records::kRecordsFile);
  const std::string trouble = records::write_records(file, records);
  if (!trouble.empty()) fail(file, trouble);
  return static_cast<int64_t>(records.size());
}

int64_t Cache::import_records(const std::string& file) const {
  if (const records::FileContent content = records::read_raw(file, records::Trust::data);
      !content.file && content.trouble.empty()) {
    fail(file, "there is no such file");
  }
  const records::Records records = read(file);
  std::string trouble = records::make_folder(directory_);
  if (trouble.empty()) trouble = records::add_records(directory_, records);
  if (!trouble.empty()) fail(directory_, trouble);
  return static_cast<int64_t>(records.size());
}

int64_t Cache::prune(std::chrono::seconds older_than) const {
  const std::string file = directory_ + "/" + records::kRecordsFile;
  const int64_t before = records::total_bytes(directory_);
  const std::string trouble = records::change_records(directory_, [&](records::Records& records) {
    const int64_t time = std::time(nullptr) - older_than.count();
    erase_older(records.tasks, time);
    erase_older(records.models, time);
  });
  if (!trouble.empty()) fail(file, trouble);
  if (older_than.count() <= 0) unlink(file.c_str());
  records::prune_files(directory_, older_than.count());
  return before - records::total_bytes(directory_);
}

}  // namespace altrt
