#include "tuner/worker/shared_file.h"

#include <altrt/error.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace altrt::tuner {
namespace {

// Linux before 6.3 does not know MFD_NOEXEC_SEAL; later ones may insist on it.
int make_file() {
  const int file = memfd_create("altrt-tensor", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  return file >= 0 ? file : memfd_create("altrt-tensor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

Error failure(const std::string& what) {
  return {ErrorCode::unavailable,
          "no memory to share with a worker: " + what + ": " + std::system_category().message(errno)};
}

}  // namespace

SharedFile::SharedFile(size_t bytes) : descriptor_(make_file()) {
  // Beyond this limit the system would not refuse but send a signal.
  rlimit largest{};
  if (getrlimit(RLIMIT_FSIZE, &largest) == 0 && largest.rlim_cur < bytes) {
    if (descriptor_ >= 0) close(descriptor_);
    throw Error(ErrorCode::unavailable, "no memory to share with a worker: RLIMIT_FSIZE is too small");
  }
  if (descriptor_ < 0) throw failure("memfd_create");
  if (ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) {
    const Error error = failure("ftruncate");
    close(descriptor_);
    throw error;
  }
  fcntl(descriptor_, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK);
}

SharedFile::~SharedFile() { close(descriptor_); }

void* SharedFile::map(size_t from, size_t bytes, void* at) const {
  const int flags = MAP_SHARED | MAP_POPULATE | (at ? MAP_FIXED : 0);
  void* const address = mmap(at, bytes, PROT_READ | PROT_WRITE, flags, descriptor_, static_cast<off_t>(from));
  if (address == MAP_FAILED) throw failure("mmap");
  return address;
}

void SharedFile::write(size_t to, const void* bytes, size_t count) const {
  const auto* at = static_cast<const uint8_t*>(bytes);
  while (count > 0) {
    const ssize_t n = pwrite(descriptor_, at, count, static_cast<off_t>(to));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw failure("write");
    at += n;
    to += static_cast<size_t>(n);
    count -= static_cast<size_t>(n);
  }
}

}  // namespace altrt::tuner
