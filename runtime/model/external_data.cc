#include "runtime/model/external_data.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace altrt::model {

namespace {

constexpr uint64_t kBudgetPerByte = 4;
constexpr size_t kMostFiles = 256;
constexpr int kMostAttempts = 100;
// Files that stay open for what is read later: descriptors are scarce, and some writers make a file for every tensor.
constexpr size_t kMostDeferred = 8;

std::string reason(int error) { return std::strerror(error); }

// The components of a relative path that stays inside; fails on any other.
std::vector<std::string> components(const std::string& location, const ReadContext& context) {
  const auto refuse = [&](const char* why) { context.fail("external data location " + quoted(location) + ": " + why); };
  if (location.empty()) refuse("is empty");
  if (location.find('\0') != std::string::npos) refuse("contains a zero byte");
  if (location.front() == '/') refuse("absolute paths are refused");
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= location.size()) {
    const size_t end = std::min(location.find('/', begin), location.size());
    const std::string part = location.substr(begin, end - begin);
    if (part == "..") refuse("'..' is refused");
    if (!part.empty() && part != ".") parts.push_back(part);
    begin = end + 1;
  }
  if (parts.empty()) refuse("names no file");
  return parts;
}

std::string join(const std::vector<std::string>& parts) {
  std::string path = parts.front();
  for (size_t i = 1; i < parts.size(); ++i) path += "/" + parts[i];
  return path;
}

int retry_open(int folder, const char* name, int flags) {
  int descriptor = -1;
  do {
    descriptor = ::openat(folder, name, flags | O_CLOEXEC);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

// Opens by openat2, which keeps the kernel from leaving the folder; -1 and errno ENOSYS or EPERM where it is not to be
// had.
int open_beneath(int folder, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long descriptor = -1;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {  // EAGAIN: something was renamed meanwhile
    descriptor = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how));
    if (descriptor >= 0 || (errno != EINTR && errno != EAGAIN)) break;
  }
  return static_cast<int>(descriptor);
}

// Opens folder after folder, following no link, so that no component can lead out.
int open_walking(int folder, const std::vector<std::string>& parts) {
  File current;
  int at = folder;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    current = File(retry_open(at, parts[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (!current) return -1;
    at = current.descriptor();
  }
  return retry_open(at, parts.back().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

}  // namespace

File open_inside(const std::string& folder, const std::string& location, const ReadContext& context,
                 Containment containment) {
  const auto parts = components(location, context);
  const File root(retry_open(AT_FDCWD, folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (!root) context.fail("cannot open the folder " + quoted(folder) + ": " + reason(errno), ErrorCode::io);

  int descriptor = -1;
  if (containment == Containment::automatic) {
    descriptor = open_beneath(root.descriptor(), join(parts));
    if (descriptor < 0 && (errno == ENOSYS || errno == EPERM)) containment = Containment::component_walk;
  }
  if (containment == Containment::component_walk) descriptor = open_walking(root.descriptor(), parts);

  const std::string what = "external data file " + quoted(location);
  if (descriptor < 0) {
    const int error = errno;
    if (error == ELOOP || error == EXDEV || error == ENOTDIR) {
      context.fail(what + " is refused: symbolic links and paths that leave the folder are not followed");
    }
    context.fail("cannot open " + what + ": " + reason(error), ErrorCode::io);
  }
  File file(descriptor);
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) context.fail("cannot examine " + what, ErrorCode::io);
  if (!S_ISREG(status.st_mode)) context.fail(what + " is not a regular file");
  if (status.st_nlink > 1) context.fail(what + " is refused: it has further hard links; make a copy of it");
  return file;
}

const ExternalData::Opened& ExternalData::open(const std::string& location, ReadContext& context) {
  if (folder_.empty()) {
    context.fail("has external data in " + quoted(location) +
                 ", but the model was loaded from memory without a folder for it");
  }
  const std::string path = join(components(location, context));  // one key for every way to write it
  const auto found = files_.find(path);
  if (found != files_.end()) return found->second;
  if (files_.size() >= kMostFiles)
    context.fail("external data lies in more than " + std::to_string(kMostFiles) + " files");
  File file = open_inside(folder_, path, context);
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) context.fail("cannot examine external data", ErrorCode::io);
  const auto opened = std::make_shared<const SourceFile>(std::move(file), status, context.file() + ": " + quoted(path));
  context.add_budget(kBudgetPerByte * opened->size());
  return files_.emplace(path, opened).first->second;
}

void ExternalData::check(const ExternalRange& range, uint64_t bytes, ReadContext& context) {
  const uint64_t size = open(range.location, context)->size();
  if (range.length && *range.length != bytes) {
    context.fail("external data: field 'length' is " + std::to_string(*range.length) + ", but type and dims need " +
                 std::to_string(bytes) + " bytes");
  }
  if (range.offset > size || bytes > size - range.offset) {
    context.fail("external data: " + std::to_string(bytes) + " bytes at offset " + std::to_string(range.offset) +
                 " lie beyond the end of " + quoted(range.location) + " (" + std::to_string(size) + " bytes)");
  }
}

void ExternalData::read(const ExternalRange& range, void* to, uint64_t bytes, ReadContext& context) {
  open(range.location, context)->read_exactly(to, range.offset, bytes);
}

std::shared_ptr<base::DeferredBytes> ExternalData::deferred(const ExternalRange& range, uint64_t bytes,
                                                            ReadContext& context) {
  const Opened& file = open(range.location, context);
  if (files_.size() > kMostDeferred && file.use_count() == 1) return nullptr;
  const auto read = [file, start = range.offset](void* to, size_t offset, size_t size) {
    file->read_exactly(to, start + offset, size);
  };
  return std::make_shared<base::DeferredBytes>(bytes, read);
}

}  // namespace altrt::model
