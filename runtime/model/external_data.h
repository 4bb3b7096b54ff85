// Weights beside a model file: opened only inside the model's folder, read in checked ranges.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "runtime/base/deferred.h"
#include "runtime/model/read_context.h"
#include "runtime/model/source_file.h"

namespace altrt::model {

/// Where one tensor's bytes lie.
struct ExternalRange {
  std::string location;  // relative path inside the folder
  uint64_t offset = 0;
  std::optional<uint64_t> length;  // absent: what the tensor needs
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
  /// The range, which was checked, to be read later. Null where too many files would stay open for that.
  std::shared_ptr<base::DeferredBytes> deferred(const ExternalRange& range, uint64_t bytes, ReadContext& context);

 private:
  using Opened = std::shared_ptr<const SourceFile>;
  const Opened& open(const std::string& location, ReadContext& context);

  std::string folder_;
  std::map<std::string, Opened> files_;
};

}  // namespace altrt::model
