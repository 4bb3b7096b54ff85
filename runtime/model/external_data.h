// Weights beside a model file: opened only inside the model's folder, read in checked ranges.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "runtime/model/read_context.h"

namespace altrt::model {

/// Where one tensor's bytes lie.
struct ExternalRange {
  std::string location;  // relative path inside the folder
  uint64_t offset = 0;
  std::optional<uint64_t> length;  // absent: what the tensor needs
};

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

/// How a path is kept inside its folder: by the kernel (openat2) where it has that, or component by component.
enum class Containment : uint8_t { automatic, component_walk };

/// Opens `location` below `folder` for reading. Refuses absolute paths, "..", symbolic links anywhere below the folder,
/// anything but regular files, and files with further hard links. Never blocks on a FIFO. Errors go to context.fail.
File open_inside(const std::string& folder, const std::string& location, const ReadContext& context,
                 Containment containment = Containment::automatic);

/// The external files of one model, each opened once.
class ExternalData {
 public:
  /// An empty `folder` refuses all external data.
  explicit ExternalData(std::string folder) : folder_(std::move(folder)) {}

  /// Checks that the range lies inside the file and holds `bytes` bytes; to be called before memory for them is
  /// allocated. What the model may decode grows with the size of each new file.
  void check(const ExternalRange& range, uint64_t bytes, ReadContext& context);
  /// Reads the range, which was checked.
  void read(const ExternalRange& range, void* to, uint64_t bytes, ReadContext& context);

 private:
  struct Entry {
    File file;
    uint64_t size = 0;
  };
  const Entry& open(const std::string& location, ReadContext& context);

  std::string folder_;
  std::map<std::string, Entry> files_;
};

}  // namespace altrt::model
