#include "runtime/records/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <memory>
#include <string_view>
#include <thread>

#include "runtime/base/env.h"

namespace altrt::records {
namespace {

constexpr const char* kLockFile = "lock";

struct CloseFolder {
  void operator()(DIR* stream) const { closedir(stream); }
};

bool ends_with(std::string_view name, std::string_view suffix) {
  return name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix;
}

bool is_ours(std::string_view name) {
  return name == kRecordsFile || ends_with(name, kBundleSuffix) || ends_with(name, kTrialLogSuffix) ||
         ends_with(name, kTemporarySuffix);
}

std::string home() {
  if (const auto variable = base::env("HOME")) return *variable;
  passwd entry{};
  passwd* found = nullptr;
  std::string buffer(16384, '\0');
  getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return found && found->pw_dir ? found->pw_dir : "";
}

}  // namespace

std::string cache_folder(const std::string& option) {
  if (option == "none") return "";
  if (!option.empty()) return option;
  const auto base = base::env("XDG_CACHE_HOME");
  if (base && base->front() == '/') return *base + "/altrt";
  const std::string user = home();
  return user.empty() || user.front() != '/' ? "" : user + "/.cache/altrt";
}

std::string make_folder(const std::string& folder) {
  struct stat status;
  if (stat(folder.c_str(), &status) == 0) return S_ISDIR(status.st_mode) ? "" : "not a folder";
  for (size_t slash = folder.find('/', 1);; slash = folder.find('/', slash + 1)) {
    const std::string part = folder.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return "making " + part + ": " + system_message(errno);
    }
    if (slash == std::string::npos) break;
  }
  return stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode) ? "" : "not a folder";
}

std::vector<FileEntry> list_files(const std::string& folder) {
  std::vector<FileEntry> files;
  const std::unique_ptr<DIR, CloseFolder> stream(opendir(folder.c_str()));
  if (!stream) return files;
  while (const dirent* entry = readdir(stream.get())) {
    struct stat status;
    if (!is_ours(entry->d_name) || fstatat(dirfd(stream.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode)) {
      continue;
    }
    files.push_back({entry->d_name, status.st_size, std::max(status.st_mtime, status.st_atime)});
  }
  std::sort(files.begin(), files.end(), [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  return files;
}

int64_t total_bytes(const std::string& folder) {
  int64_t bytes = 0;
  for (const FileEntry& file : list_files(folder)) bytes += file.bytes;
  return bytes;
}

void prune_files(const std::string& folder, int64_t older_than_seconds) {
  constexpr int64_t kTemporarySeconds = 3600;
  const int64_t now = std::time(nullptr);
  for (const FileEntry& file : list_files(folder)) {
    if (file.name == kRecordsFile) continue;
    const bool temporary = ends_with(file.name, kTemporarySuffix);
    const int64_t limit = temporary ? std::min(older_than_seconds, kTemporarySeconds) : older_than_seconds;
    if (now - file.time >= limit) unlink((folder + "/" + file.name).c_str());
  }
}

void limit_bundles(const std::string& folder, int64_t bytes) {
  std::vector<FileEntry> files = list_files(folder);
  std::erase_if(files, [](const FileEntry& file) { return !ends_with(file.name, kBundleSuffix); });
  std::sort(files.begin(), files.end(), [](const FileEntry& a, const FileEntry& b) { return a.time > b.time; });
  int64_t total = 0;
  for (const FileEntry& file : files) {
    total += file.bytes;
    if (total > bytes) unlink((folder + "/" + file.name).c_str());
  }
}

void touch(const std::string& path) { utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW); }

FolderLock::FolderLock(const std::string& folder, int wait_ms)
    : descriptor_(open((folder + "/" + kLockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) {
  if (!descriptor_.valid()) return;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  while (flock(descriptor_.get(), LOCK_EX | LOCK_NB) != 0) {
    if ((errno != EWOULDBLOCK && errno != EINTR) || std::chrono::steady_clock::now() > deadline) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace altrt::records
