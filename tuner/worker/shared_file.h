// Memory that a tuning and its worker both see.
#pragma once

#include <cstddef>

namespace altrt::tuner {

/// A file without a name (memfd) whose size never changes, so that who maps it needs to fear nothing of who else does.
class SharedFile {
 public:
  /// Zeros. Error(unavailable) where the system has no such files, or gives no more.
  explicit SharedFile(size_t bytes);
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;
  ~SharedFile();

  int descriptor() const { return descriptor_; }
  /// For reading and writing, to be unmapped by the caller. `at`: in place of what is mapped there; null = anywhere.
  void* map(size_t from, size_t bytes, void* at = nullptr) const;
  void write(size_t to, const void* bytes, size_t count) const;

 private:
  int descriptor_;
};

}  // namespace altrt::tuner
