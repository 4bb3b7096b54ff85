#include "runtime/records/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <system_error>

#include "runtime/base/hash.h"

namespace altrt::records {
namespace {

// "\r\n" and the byte above 127 show files that were carried as text.
constexpr uint8_t kMagic[8] = {'A', 'L', 'T', 'R', 'T', 0xC3, '\r', '\n'};
// FlatBuffers' verifier is made for less than 2 GiB.
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

struct Header {
  uint8_t magic[8];
  uint32_t version;
  uint32_t kind;
  uint64_t bytes;     // of the payload
  uint64_t checksum;  // of the header with 0 here, then of the payload
  uint8_t reserved[32];
};
static_assert(sizeof(Header) == kHeaderBytes);

uint64_t checksum(Header header, const uint8_t* payload, size_t bytes) {
  header.checksum = 0;
  return base::hash_bytes(payload, bytes, base::hash_bytes(&header, sizeof header));
}

Header header_of(std::span<const uint8_t> whole) {
  Header header;
  std::memcpy(&header, whole.data(), sizeof header);
  return header;
}

std::string differs(const char* field, const std::string& old_value, const std::string& new_value) {
  return std::string(field) + " differs: " + old_value + " -> " + new_value;
}

std::string trust_trouble(const struct stat& status, const char* what) {
  if (status.st_uid != geteuid()) return std::string(what) + " belongs to another user";
  if (status.st_mode & (S_IWGRP | S_IWOTH)) return std::string(what) + " can be written by others";
  return "";
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string check_opened(int descriptor, const std::string& path, Trust trust, struct stat& status) {
  if (fstat(descriptor, &status) != 0) return system_message(errno);
  if (!S_ISREG(status.st_mode)) return "not a plain file";
  if (static_cast<uint64_t>(status.st_size) > kMaxFileBytes) return "larger than " + std::to_string(kMaxFileBytes);
  if (trust == Trust::data) return "";
  std::string trouble = trust_trouble(status, "the file");
  if (!trouble.empty()) return trouble;
  struct stat folder;
  if (stat(folder_of(path).c_str(), &folder) != 0) return system_message(errno);
  return trust_trouble(folder, "its folder");
}

// Reads until the end of the file or of the buffer.
ssize_t read_all(int descriptor, uint8_t* data, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = read(descriptor, data + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

// Holds back the signal that a write beyond the file size limit raises, and forgets it.
class SizeLimitSignal {
 public:
  SizeLimitSignal() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGXFSZ);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGXFSZ) == 1;
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~SizeLimitSignal() {
    const timespec now{0, 0};
    if (!was_pending_) sigtimedwait(&set_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SizeLimitSignal(const SizeLimitSignal&) = delete;
  SizeLimitSignal& operator=(const SizeLimitSignal&) = delete;

 private:
  sigset_t set_, before_;
  bool was_pending_ = false;
};

std::string sync_folder(const std::string& folder) {
  const Descriptor descriptor(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.valid() || fsync(descriptor.get()) != 0) return "syncing the folder: " + system_message(errno);
  return "";
}

}  // namespace

const char* to_string(Kind kind) {
  switch (kind) {
    case Kind::records:
      return "records";
    case Kind::trial_log:
      return "trial log";
    case Kind::bundle:
      return "bundle";
  }
  return "unknown";
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (number_ >= 0) close(number_);
    number_ = other.release();
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

std::string system_message(int error) { return std::generic_category().message(error); }

std::string frame(Kind kind, std::span<const uint8_t> payload) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kFormatVersion;
  header.kind = static_cast<uint32_t>(kind);
  header.bytes = payload.size();
  header.checksum = checksum(header, payload.data(), payload.size());
  return std::string(reinterpret_cast<const char*>(&header), sizeof header);
}

uint64_t framed_bytes(std::span<const uint8_t> whole) { return header_of(whole).bytes; }

std::string check_frame(std::span<const uint8_t> whole, Kind kind, bool more) {
  if (whole.size() < kHeaderBytes) return "cut off: " + std::to_string(whole.size()) + " bytes";
  const Header header = header_of(whole);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return "not a file of libaltrt's cache";
  if (header.version != kFormatVersion) {
    return differs("format version", std::to_string(header.version), std::to_string(kFormatVersion));
  }
  if (header.kind != static_cast<uint32_t>(kind)) {
    return differs("kind", to_string(static_cast<Kind>(header.kind)), to_string(kind));
  }
  const uint64_t there = whole.size() - kHeaderBytes;
  if (header.bytes > there || (!more && header.bytes != there)) {
    return differs("size", std::to_string(header.bytes), std::to_string(there)) + " (cut off or overwritten)";
  }
  if (header.checksum != checksum(header, whole.data() + kHeaderBytes, header.bytes)) return "wrong checksum";
  return "";
}

FileContent read_raw(const std::string& path, Trust trust) {
  FileContent content;
  const Descriptor descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!descriptor.valid()) {
    if (errno != ENOENT && errno != ENOTDIR) {
      content.trouble = errno == ELOOP ? "a symbolic link" : system_message(errno);
    }
    return content;
  }
  struct stat status;
  content.trouble = check_opened(descriptor.get(), path, trust, status);
  if (!content.trouble.empty()) return content;
  base::AlignedBuffer buffer(static_cast<size_t>(status.st_size) + kHeaderBytes);
  const ssize_t got = read_all(descriptor.get(), buffer.as<uint8_t>(), static_cast<size_t>(status.st_size));
  if (got < 0) {
    content.trouble = "reading: " + system_message(errno);
    return content;
  }
  content.bytes = static_cast<size_t>(got);
  content.file = std::move(buffer);
  return content;
}

FileContent read_file(const std::string& path, Kind kind, Trust trust) {
  FileContent content = read_raw(path, trust);
  if (!content.file) return content;
  content.trouble = check_frame({content.file->as<uint8_t>(), content.bytes}, kind);
  if (!content.trouble.empty()) {
    content.file.reset();
    return content;
  }
  content.bytes -= kHeaderBytes;
  return content;
}

std::string write_all(int descriptor, std::span<const uint8_t> bytes) {
  const SizeLimitSignal signal;
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = write(descriptor, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return "writing: " + system_message(errno);
    if (wrote == 0) return "writing: nothing was written";
    done += static_cast<size_t>(wrote);
  }
  return "";
}

std::string write_file(const std::string& path, Kind kind, std::span<const uint8_t> payload) {
  static std::atomic<uint64_t> counter{0};
  if (payload.size() + kHeaderBytes > kMaxFileBytes) return "larger than " + std::to_string(kMaxFileBytes);
  const std::string temporary =
      path + "." + std::to_string(getpid()) + "." + std::to_string(counter.fetch_add(1)) + ".tmp";
  unlink(temporary.c_str());  // left by an earlier process of this number
  Descriptor descriptor(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!descriptor.valid()) return "making a file: " + system_message(errno);
  const std::string header = frame(kind, payload);
  std::string trouble = write_all(descriptor.get(), {reinterpret_cast<const uint8_t*>(header.data()), header.size()});
  if (trouble.empty()) trouble = write_all(descriptor.get(), payload);
  if (trouble.empty() && fsync(descriptor.get()) != 0) trouble = "syncing: " + system_message(errno);
  if (close(descriptor.release()) != 0 && trouble.empty()) trouble = "closing: " + system_message(errno);
  if (trouble.empty() && rename(temporary.c_str(), path.c_str()) != 0) trouble = "renaming: " + system_message(errno);
  if (!trouble.empty()) {
    unlink(temporary.c_str());
    return trouble;
  }
  return sync_folder(folder_of(path));
}

}  // namespace altrt::records
