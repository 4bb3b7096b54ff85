// The cache's folder: which one, which files it holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/records/file.h"

namespace altrt::records {

/// The folder that an option means: "" = $XDG_CACHE_HOME/altrt or ~/.cache/altrt, "none" = "" (no files). "" too where
/// there is no home.
std::string cache_folder(const std::string& option);

/// Makes the folder and those above it, for the user alone (0700). "" or what went wrong.
std::string make_folder(const std::string& folder);

inline constexpr const char* kRecordsFile = "records.altrt";
inline constexpr const char* kBundleSuffix = ".bundle";
inline constexpr const char* kTrialLogSuffix = ".trials";
inline constexpr const char* kTemporarySuffix = ".tmp";

struct FileEntry {
  std::string name;
  int64_t bytes = 0;
  int64_t time = 0;  // of the last use or change: seconds since 1970
};
/// The cache's own plain files, by name; others are left out.
std::vector<FileEntry> list_files(const std::string& folder);

int64_t total_bytes(const std::string& folder);

/// Deletes files other than the records that were neither used nor changed for that long (temporary files: for an
/// hour).
void prune_files(const std::string& folder, int64_t older_than_seconds);
/// Deletes the bundles used longest ago until all together have at most `bytes`.
void limit_bundles(const std::string& folder, int64_t bytes);
/// Notes that a file was used.
void touch(const std::string& path);

/// Excludes other processes while it lives, for at most `wait_ms` of waiting; afterwards, and on file systems without
/// locks, it goes on without. (Files stay whole either way; two merges at once could lose one's records.)
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder, int wait_ms = 5000);

 private:
  Descriptor descriptor_;
};

}  // namespace altrt::records
