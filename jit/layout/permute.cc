#include "jit/layout/permute.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory_resource>
#include <numeric>
#include <utility>
#include <vector>

#include <altrt/error.h>

#include "jit/layout/permute_plan.h"
#include "jit/layout/transpose.h"

namespace altrt::jit {

namespace {

/// The index of the outer dimensions, and what follows from it: positions in the groups and in the destination.
class Cursor {
 public:
  Cursor(const CopyPlan& plan, int64_t number)
      : plan_(plan),
        index_(plan.outer.size(), 0, &heap_free_),
        position_(plan.map.groups.size(), 0, &heap_free_),
        outer_groups_(&heap_free_) {
    outer_groups_.reserve(position_.size());
    for (size_t k = plan.outer.size(); k-- > 0;) {
      const MapDim& dim = plan.map.dims[plan.outer[k]];
      index_[k] = number % dim.extent;
      number /= dim.extent;
      position_[dim.group] += index_[k] * dim.group_stride;
      to_ += index_[k] * dim.to_stride;
    }
    int last = static_cast<int>(plan.map.dims.size()) - 1;
    for (int group = 0; group < static_cast<int>(position_.size()); ++group) {
      bool inner = (last >= 0 && group == plan.map.dims[last].group) ||
                   (plan.column_dim >= 0 && group == plan.map.dims[plan.column_dim].group);
      if (!inner) outer_groups_.push_back(group);
    }
  }

  /// How often the innermost outer index can still grow before it wraps, plus 1.
  int64_t left() const { return index_.empty() ? 1 : plan_.map.dims[plan_.outer.back()].extent - index_.back(); }

  /// `steps` may be more than 1 up to left().
  void advance(int64_t steps = 1) {
    for (size_t k = plan_.outer.size(); k-- > 0; steps = 1) {
      const MapDim& dim = plan_.map.dims[plan_.outer[k]];
      position_[dim.group] += steps * dim.group_stride;
      to_ += steps * dim.to_stride;
      index_[k] += steps;
      if (index_[k] < dim.extent) return;
      index_[k] = 0;
      position_[dim.group] -= dim.extent * dim.group_stride;
      to_ -= dim.extent * dim.to_stride;
    }
  }

  int64_t position(int group) const { return position_[group]; }
  int64_t to() const { return to_; }
  /// Sum of the base and the groups that no inner dimension belongs to, or the state of the padding.
  int64_t value() const {
    int64_t sum = plan_.map.base, state = 0;
    for (int group : outer_groups_) {
      int64_t value = plan_.map.groups[group].at(position_[group]);
      state = std::min(state, value);
      sum += value;
    }
    return state < 0 ? state : sum;
  }

 private:
  const CopyPlan& plan_;
  // Copies run in every inference: the heap is asked only beyond some 40 dimensions.
  std::array<std::byte, 1024> memory_;
  std::pmr::monotonic_buffer_resource heap_free_{memory_.data(), memory_.size()};
  std::pmr::vector<int64_t> index_;
  std::pmr::vector<int64_t> position_;
  std::pmr::vector<int> outer_groups_;
  int64_t to_ = 0;
};

// Elements of the destination that a strip of rows covers.
constexpr int64_t kStrip = 2048;

int64_t combine(int64_t a, int64_t b) { return a < 0 || b < 0 ? std::min(a, b) : a + b; }

/// Values of consecutive positions of the last dimension, the outer dimensions' value included.
struct Rows {
  bool uniform;
  int64_t value;   // uniform: of the first position; else the outer dimensions'
  int64_t stride;  // uniform
  const int64_t* table;

  Rows(const MapGroup& group, int64_t position, int64_t outer)
      : uniform(group.is_uniform() && outer >= 0),
        value(uniform ? outer + position * group.stride : outer),
        stride(group.stride),
        table(group.is_uniform() ? nullptr : group.table.data() + position) {}

  int64_t at(int64_t j) const {
    if (uniform) return value + j * stride;
    return table ? combine(value, table[j]) : value;
  }
};

/// memcpy, inline for the usual widths of a channel block.
inline void copy_run(void* to, const void* from, size_t bytes) {
  switch (bytes) {
    case 16:
      std::memcpy(to, from, 16);
      return;
    case 32:
      std::memcpy(to, from, 32);
      return;
    case 64:
      std::memcpy(to, from, 64);
      return;
    default:
      std::memcpy(to, from, bytes);
  }
}

template <typename T>
class Runner {
 public:
  Runner(const CopyPlan& plan, const void* from, void* to)
      : plan_(plan), from_(static_cast<const T*>(from)), to_(static_cast<T*>(to)) {
    if (plan.map.dims.empty()) return;
    last_ = plan.map.dims.back();
    if (plan.column_dim >= 0) column_ = plan.map.dims[plan.column_dim];
  }

  void run(int64_t first, int64_t last) {
    if (plan_.map.dims.empty()) {
      if (first < last) emit(plan_.map.base, 0, 1);
      return flush();
    }
    int64_t chunks = plan_.column_chunks * plan_.row_chunks;
    Cursor cursor(plan_, first / chunks);
    if (has_strips()) return run_strips(cursor, last - first);
    int64_t chunk = first % chunks;
    for (int64_t unit = first; unit < last; ++unit) {
      int64_t column = chunk / plan_.row_chunks * plan_.column_step;
      int64_t row = chunk % plan_.row_chunks * plan_.row_step;
      int64_t columns = std::min(plan_.column_step, plan_.columns - column);
      int64_t length = std::min(plan_.row_step, plan_.row - row);
      if (plan_.mode == CopyMode::rows) {
        copy_row(cursor, row, length);
      } else if (plan_.mode == CopyMode::gather) {
        gather_row(cursor, row, length);
      } else {
        copy_block(cursor, column, columns, row, length);
      }
      if (++chunk == chunks) {
        chunk = 0;
        cursor.advance();
      }
    }
    flush();
  }

 private:
  /// Elements of one fill value; kMaxColumns of them.
  const T* fill(int64_t state) const {
    return reinterpret_cast<const T*>(plan_.fills.data()) + (-1 - state) * kMaxColumns;
  }

  /// Copies or fills [to, to + length), joined with the stretch before where both sides go on.
  void emit(int64_t value, int64_t to, int64_t length) {
    bool joined = to == run_to_ + run_length_ &&
                  (value < 0 ? value == run_value_ : run_value_ >= 0 && value == run_value_ + run_length_);
    if (joined) {
      run_length_ += length;
      return;
    }
    flush();
    run_value_ = value;
    run_to_ = to;
    run_length_ = length;
  }

  void flush() {
    if (run_length_ > 0 && run_value_ < 0) {
      std::fill_n(to_ + run_to_, run_length_, *fill(run_value_));
    } else if (run_length_ > 0 && !plan_.padding_only) {
      copy_run(to_ + run_to_, from_ + run_value_, run_length_ * sizeof(T));
    }
    run_length_ = 0;
  }

  void copy_row(const Cursor& cursor, int64_t row, int64_t length) {
    int64_t value = cursor.value(), to = cursor.to();
    for_segments(cursor, [&](const Segment& segment) {
      int64_t begin = std::max(segment.begin, row);
      int64_t stop = std::min(segment.begin + segment.length, row + length);
      if (begin >= stop) return;
      int64_t first = segment.value < 0 ? segment.value : segment.value + (begin - segment.begin);
      emit(combine(value, first), to + begin, stop - begin);
    });
  }

  /// Whether rows follow each other at one distance along the innermost outer dimension. Then the work per row is only
  /// the copy.
  bool has_strips() const {
    if (plan_.mode != CopyMode::rows || plan_.padding_only || plan_.row_chunks > 1 || plan_.outer.empty()) return false;
    int group = plan_.map.dims[plan_.outer.back()].group;
    return group != last_.group && plan_.map.groups[group].is_uniform();
  }

  void run_strips(Cursor& cursor, int64_t rows) {
    const MapDim& dim = plan_.map.dims[plan_.outer.back()];
    int64_t from_stride = plan_.map.groups[dim.group].stride;
    while (rows > 0) {
      // The destination of a strip stays in the first-level cache while its segments are written one after the other.
      int64_t count = std::min({rows, cursor.left(), std::max<int64_t>(1, kStrip / last_.extent)});
      int64_t value = cursor.value(), to = cursor.to();
      for_segments(cursor, [&](const Segment& segment) {
        T* target = to_ + to + segment.begin;
        int64_t first = combine(value, segment.value);
        if (first < 0) {
          for (int64_t r = 0; r < count; ++r) std::fill_n(target + r * dim.to_stride, segment.length, *fill(first));
        } else {
          size_t bytes = segment.length * sizeof(T);
          const T* source = from_ + first;
          for (int64_t r = 0; r < count; ++r) copy_run(target + r * dim.to_stride, source + r * from_stride, bytes);
        }
      });
      cursor.advance(count);
      rows -= count;
    }
  }

  /// Calls `f` on the segments of the cursor's row.
  template <typename F>
  void for_segments(const Cursor& cursor, F f) const {
    int64_t number = plan_.map.groups[last_.group].is_uniform() ? 0 : cursor.position(last_.group) / last_.extent;
    for (int64_t s = plan_.first_segment[number]; s < plan_.first_segment[number + 1]; ++s) f(plan_.segments[s]);
  }

  void gather_row(const Cursor& cursor, int64_t row, int64_t length) {
    Rows source(plan_.map.groups[last_.group], cursor.position(last_.group) + row, cursor.value());
    T* to = to_ + cursor.to() + row;
    if (source.uniform) {
      const T* from = from_ + source.value;
      for (int64_t j = 0; j < length; ++j) to[j] = from[j * source.stride];
      return;
    }
    for (int64_t j = 0; j < length; ++j) {
      int64_t value = source.at(j);
      to[j] = value < 0 ? *fill(value) : from_[value];
    }
  }

  void copy_block(const Cursor& cursor, int64_t column, int64_t columns, int64_t row, int64_t length) {
    const MapGroup& column_group = plan_.map.groups[column_.group];
    const T* rows[kMaxBlockRows];
    Rows source(plan_.map.groups[last_.group], cursor.position(last_.group) + row, cursor.value());
    for (int64_t i = column; i < column + columns;) {
      int64_t position = cursor.position(column_.group) + i * column_.group_stride;
      int64_t first = column_group.at(position);
      int64_t run = std::min(plan_.column_run(position), column + columns - i);
      T* corner = to_ + cursor.to() + row + i * column_.to_stride;
      if (first < 0) {
        for (int64_t j = 0; j < length; ++j) corner[j] = *fill(std::min(first, source.at(j)));
        ++i;
        continue;
      }
      if (source.uniform) {
        const T* origin = from_ + source.value + first;
        for (int64_t j = 0; j < length; ++j) rows[j] = origin + j * source.stride;
      } else {
        for (int64_t j = 0; j < length; ++j) {
          int64_t value = source.at(j);
          rows[j] = value < 0 ? fill(value) : from_ + value + first;
        }
      }
      transpose_block(rows, length, run, corner, column_.to_stride);
      i += run;
    }
  }

  const CopyPlan& plan_;
  const T* from_;
  T* to_;
  MapDim last_{1, 1, 0, 1}, column_{1, 1, 0, 1};
  // The stretch that emit() has not written yet.
  int64_t run_value_ = 0, run_to_ = 0, run_length_ = 0;
};

}  // namespace

void CopyPlan::run(const void* from, void* to, int64_t first, int64_t last) const {
  switch (size_of(type)) {
    case 1:
      return Runner<uint8_t>(*this, from, to).run(first, last);
    case 4:
      return Runner<uint32_t>(*this, from, to).run(first, last);
    default:
      return Runner<uint64_t>(*this, from, to).run(first, last);
  }
}

Permute::Permute(DataType type, const std::vector<int64_t>& shape, const Layout& from, const Layout& to) {
  auto plan = std::make_shared<CopyPlan>(make_copy_plan(type, make_copy_map(shape, from, to), false));
  tasks_ = plan->tasks();
  bytes_to_ = plan->map.elements * static_cast<int64_t>(size_of(type));
  plan_ = std::move(plan);
}

std::vector<int64_t> Permute::task_extents() const {
  std::vector<int64_t> extents = plan_->unit_extents();
  int64_t rest = plan_->units_per_task, tasks = 1;
  for (int64_t& extent : extents) {
    const int64_t taken = std::gcd(extent, rest);
    if (taken != std::min(extent, rest)) return {tasks_};
    extent /= taken;
    rest /= taken;
    tasks *= extent;
  }
  if (rest > 1 || tasks != tasks_) return {tasks_};
  std::reverse(extents.begin(), extents.end());
  return extents;
}

void Permute::run(const void* from, void* to, int64_t first, int64_t last) const {
  plan_->run(from, to, first * plan_->units_per_task, std::min(last * plan_->units_per_task, plan_->units));
}

void fill_padding(DataType type, const std::vector<int64_t>& shape, const Layout& layout, void* data) {
  // Between equal layouts most values are uniform, so that rows get long; only which positions are padding matters.
  CopyPlan plan = make_copy_plan(type, make_copy_map(shape, layout, layout), true);
  plan.run(nullptr, data, 0, plan.units);
}

void store_source(DataType type, const std::vector<int64_t>& shape, const Layout& layout, const void* from,
                  void* memory) {
  const std::vector<Extent> extents(shape.begin(), shape.end());
  verify(layout, extents);
  if (layout.steps.empty() || layout.steps.back().kind != LayoutKind::store_at) {
    throw Error(ErrorCode::invalid_argument, "layout \"" + to_string(layout) + "\" does not end in store_at");
  }
  Layout own = layout;
  const LayoutStep step = own.steps.back();
  own.steps.pop_back();
  const Permute permute(type, shape, {}, own);
  std::vector<uint8_t> packed(static_cast<size_t>(permute.bytes_to()));
  permute.run(from, packed.data(), 0, permute.tasks());

  // Row-major [outer..., inner...] becomes [outer..., index of extent, inner...].
  const std::vector<Extent> dims = physical_shape(own, extents);
  int64_t outer = 1;
  for (int d = 0; d < step.dim; ++d) outer *= dims[static_cast<size_t>(d)].bound;
  if (packed.empty()) return;
  const size_t row = packed.size() / static_cast<size_t>(outer);
  const auto index = static_cast<size_t>(step.factors[0]), extent = static_cast<size_t>(step.factors[1]);
  for (size_t i = 0; i < static_cast<size_t>(outer); ++i) {
    std::memcpy(static_cast<uint8_t*>(memory) + (i * extent + index) * row, packed.data() + i * row, row);
  }
}

}  // namespace altrt::jit
