// Where each element of the destination of a native copy comes from, as a sum of small tables.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/layout/layout.h"

namespace altrt::jit {

/// Destination dimensions that choose the source element together: those made from the same logical dimensions by
/// either layout.
struct MapGroup {
  /// Value of a position of the group: `stride` * position if the table is empty, else table[position]. A value >= 0 is
  /// a distance in the source, in elements; -1 - k says that the position is padding with fill number k. Of several
  /// negative values the smallest holds (the latest layout step).
  int64_t stride = 0;
  std::vector<int64_t> table;

  bool is_uniform() const { return table.empty(); }
  int64_t at(int64_t position) const { return table.empty() ? stride * position : table[position]; }
};

struct MapDim {
  int64_t extent;
  int64_t to_stride;     // in elements of the destination
  int group;             // the position of the group is the sum of index * group_stride over its dimensions
  int64_t group_stride;  // row-major within the group, in destination order
};

/// Source element of a destination position = base + the groups' values if none is negative. The groups are
/// independent, so that tables stay as short as single axes unless a layout fuses axes; pads, splits and unfolded tiles
/// are all just entries.
struct CopyMap {
  std::vector<MapDim> dims;  // outermost first; none has extent 1 unless it is padding
  std::vector<MapGroup> groups;
  int64_t base = 0;
  int64_t elements = 0;       // of the destination
  std::vector<double> fills;  // [0] stands for an element that `from` does not hold

  bool alone(int dim) const;  // no other dimension is in its group
};

/// Error(invalid_argument) if a layout does not fit the shape.
CopyMap make_copy_map(const std::vector<int64_t>& shape, const Layout& from, const Layout& to);

/// Replaces dimensions `dim` and `dim + 1`, each alone in its group, by one dimension with a table.
void merge_alone(CopyMap& map, int dim);

}  // namespace altrt::jit
