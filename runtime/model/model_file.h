// A model file being read: everything but the bulk of its weights is in memory, those stay in the file until they are
// needed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/deferred.h"

namespace altrt::model {

/// One thread at a time. The file may change meanwhile: what is read is judged as it is found.
class ModelFile {
 public:
  /// Reads up to `bytes` bytes at an offset of the file; returns how many there were (less only at its end). From many
  /// threads at a time, and as long as deferred bytes are there.
  using Source = std::function<uint64_t(void* to, uint64_t offset, uint64_t bytes)>;
  /// Weights (`raw_data` of initializers) of fewer bytes are read at once.
  static constexpr uint64_t kLeastHole = 256 << 10;

  /// Opens a regular file. Error(io) names path and reason; Error(out_of_memory) if it has more than `limit` bytes.
  static ModelFile open(const std::string& path, uint64_t limit);
  /// `name` stands for the file in messages. Error(out_of_memory).
  ModelFile(Source source, uint64_t size, std::string name, uint64_t least_hole = kLeastHole);

  /// As many bytes as the file has. Nobody may look into the holes.
  std::string_view bytes() const { return {memory_.get(), loaded_}; }
  /// Where the bytes of large weights would be: sorted, disjoint.
  const std::vector<std::string_view>& holes() const { return holes_; }
  /// Copies a part of bytes() from wherever it is. Error(io) if the file has become shorter.
  void copy(std::string_view part, void* to) const;
  /// A part that is a hole, to be read later. Null for other parts.
  std::shared_ptr<base::DeferredBytes> deferred(std::string_view part) const;

 private:
  friend class Skimmer;
  /// Makes sure that the bytes up to `end` are in memory; false if the file ends before.
  bool load_to(uint64_t end);

  Source source_;
  std::string name_;
  std::shared_ptr<char> memory_;  // a mapping
  uint64_t size_ = 0;             // as the file's owner says
  uint64_t ahead_ = 0;            // bytes read at a time, at least
  uint64_t loaded_ = 0;           // bytes that are in memory or in holes
  std::vector<std::string_view> holes_;
};

}  // namespace altrt::model
