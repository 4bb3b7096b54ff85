// Native packing: moves a tensor between two layouts with strided copies, without compiling anything. Used for weights
// at load, the session's edge, conversions that are not worth a kernel, and folded moves.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "jit/layout/layout.h"

namespace altrt::jit {

struct CopyPlan;

/// A prepared copy between two layouts of one logical shape; immutable, usable from many threads, cheap to copy.
class Permute {
 public:
  /// Error(invalid_argument) if a layout does not fit the shape, or a fill value of `to` the type.
  Permute(DataType type, const std::vector<int64_t>& shape, const Layout& from, const Layout& to);
  /// Copies slices [first, last) of tasks(); disjoint ranges may run in parallel. Filled padding of `to` is written,
  /// undefined padding (and whatever `from` does not hold: it ends in fold, unpad or decouple_at) is written as 0, as
  /// is what a store_at in `to` leaves for its host. The two memories may not overlap; each needs the alignment of its
  /// type only.
  void run(const void* from, void* to, int64_t first, int64_t last) const;
  /// A few thousand elements each; 0 if there is nothing to write.
  int64_t tasks() const { return tasks_; }
  int64_t bytes_to() const { return bytes_to_; }
  /// Tasks as a mixed-radix number: extents of its digits, outermost first; {tasks()} where they are no such number.
  std::vector<int64_t> task_extents() const;

 private:
  std::shared_ptr<const CopyPlan> plan_;
  int64_t tasks_ = 0;
  int64_t bytes_to_ = 0;
};

/// Writes every filled padding position of a tensor in `layout` (and 0 to undefined padding), and nothing else. Errors
/// as Permute's.
void fill_padding(DataType type, const std::vector<int64_t>& shape, const Layout& layout, void* data);

/// Writes a tensor that is stored at another one into its place in that one's memory, and nothing else. `layout` is the
/// source's, as resolve_store_at() gives it. Errors as Permute's.
void store_source(DataType type, const std::vector<int64_t>& shape, const Layout& layout, const void* from,
                  void* memory);

}  // namespace altrt::jit
