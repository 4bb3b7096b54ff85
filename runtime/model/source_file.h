// Files whose bytes are read when they are needed.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace altrt::model {

/// An open file descriptor.
class File {
 public:
  explicit File(int descriptor = -1) : descriptor_(descriptor) {}
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();
  int descriptor() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

/// A regular file that was opened for reading; it stays the same file whatever happens to its name. Thread-safe.
class SourceFile {
 public:
  /// `status` as fstat() gave it before anything was read; `name` stands for the file in messages.
  SourceFile(File file, const struct stat& status, std::string name);
  uint64_t size() const { return size_; }
  /// Reads up to `bytes` bytes at an offset; returns how many there were (less only at its end). Error(io) names the
  /// file, also where somebody has written into it since it was opened.
  uint64_t read(void* to, uint64_t offset, uint64_t bytes) const;
  /// The same; Error(io) where there are fewer.
  void read_exactly(void* to, uint64_t offset, uint64_t bytes) const;

 private:
  File file_;
  uint64_t size_;
  struct timespec written_;
  std::string name_;
};

}  // namespace altrt::model
