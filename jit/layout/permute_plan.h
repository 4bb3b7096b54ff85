// How a native copy walks its destination.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/layout/permute_map.h"

namespace altrt::jit {

/// A stretch of one row of the destination's last dimension.
struct Segment {
  int64_t begin, length;
  int64_t value;  // of its first position: consecutive source elements from there, or all the same padding
};

enum class CopyMode : uint8_t {
  rows,    // the source is contiguous along the last dimension: runs of whole segments
  gather,  // it is contiguous nowhere: element by element along the last dimension
  blocks   // it is contiguous along dimension `column_dim`: transposed blocks
};

/// The destination is cut into units: an index of the outer dimensions (all but the last and `column_dim`), a range of
/// columns and a range of the last dimension.
struct CopyPlan {
  DataType type = DataType::f32;
  CopyMap map;
  CopyMode mode = CopyMode::rows;
  bool padding_only = false;  // valid elements are left alone; mode is rows
  int column_dim = -1;
  std::vector<int> outer;
  int64_t columns = 1, column_step = 1;  // extent of column_dim and columns a unit
  int64_t row = 1, row_step = 1;         // extent of the last dimension and elements of it a unit
  int64_t column_chunks = 1, row_chunks = 1;
  int64_t units = 0, units_per_task = 1;
  std::vector<Segment> segments;       // mode rows: of every row of the last dimension's group
  std::vector<int64_t> first_segment;  // per row, and the end
  int64_t unit_columns = 1;            // mode blocks: run of columns if their group is uniform
  std::vector<int64_t> column_runs;    // mode blocks, if the columns' group has a table
  std::vector<uint8_t> fills;          // kMaxColumns elements of each fill value, in `type`

  /// How many columns from this position of their group on are consecutive source elements; at least 1.
  int64_t column_run(int64_t position) const { return column_runs.empty() ? unit_columns : column_runs[position]; }
  /// Of the units' number as a mixed-radix one, innermost first.
  std::vector<int64_t> unit_extents() const;
  int64_t tasks() const { return (units + units_per_task - 1) / units_per_task; }
  /// Units [first, last). `from` is not read in a padding_only plan.
  void run(const void* from, void* to, int64_t first, int64_t last) const;
};

/// Upper bound of column_step: fill rows are that long.
constexpr int64_t kMaxColumns = 256;
/// Upper bound of row_step in mode blocks.
constexpr int64_t kMaxBlockRows = 128;

/// Error(invalid_argument) if a fill value has no representation in `type`.
CopyPlan make_copy_plan(DataType type, CopyMap map, bool padding_only);

}  // namespace altrt::jit
