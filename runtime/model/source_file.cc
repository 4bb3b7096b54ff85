#include "runtime/model/source_file.h"

#include <altrt/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace altrt::model {

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

SourceFile::SourceFile(File file, const struct stat& status, std::string name)
    : file_(std::move(file)),
      size_(static_cast<uint64_t>(status.st_size)),
      written_(status.st_mtim),
      name_(std::move(name)) {}

uint64_t SourceFile::read(void* to, uint64_t offset, uint64_t bytes) const {
  const auto fail = [&](const std::string& what) { throw Error(ErrorCode::io, name_ + ": " + what); };
  uint64_t done = 0;
  while (done < bytes) {
    const ssize_t got =
        ::pread(file_.descriptor(), static_cast<char*>(to) + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(std::string("reading failed: ") + std::strerror(errno));
    if (got == 0) break;
    done += static_cast<uint64_t>(got);
  }
  // Afterwards: what was there before is known to be whole.
  struct stat status {};
  if (::fstat(file_.descriptor(), &status) != 0) fail(std::string("cannot examine: ") + std::strerror(errno));
  if (status.st_mtim.tv_sec != written_.tv_sec || status.st_mtim.tv_nsec != written_.tv_nsec) {
    fail("was written to since the model was loaded; load it again");
  }
  return done;
}

void SourceFile::read_exactly(void* to, uint64_t offset, uint64_t bytes) const {
  if (read(to, offset, bytes) != bytes) throw Error(ErrorCode::io, name_ + ": became shorter while it was read");
}

}  // namespace altrt::model
