#include "jit/layout/permute.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "jit/layout/permute_plan.h"
#include "jit/layout/transpose.h"

namespace altrt::jit {

namespace {

/// The index of the outer dimensions, and what follows from it: positions in the groups and in the destination.
class Cursor {
 public:
  Cursor(const CopyPlan& plan, int64_t number)
      : plan_(plan), index_(plan.outer.size()), position_(plan.map.groups.size()) {
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

  void advance() {
    for (size_t k = plan_.outer.size(); k-- > 0;) {
      const MapDim& dim = plan_.map.dims[plan_.outer[k]];
      position_[dim.group] += dim.group_stride;
      to_ += dim.to_stride;
      if (++index_[k] < dim.extent) return;
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
  std::vector<int64_t> index_;
  std::vector<int64_t> position_;
  std::vector<int> outer_groups_;
  int64_t to_ = 0;
};

int64_t combine(int64_t a, int64_t b) { return a < 0 || b < 0 ? std::min(a, b) : a + b; }

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
      std::memcpy(to_ + run_to_, from_ + run_value_, run_length_ * sizeof(T));
    }
    run_length_ = 0;
  }

  void copy_row(const Cursor& cursor, int64_t row, int64_t length) {
    int64_t value = cursor.value(), to = cursor.to();
    int64_t number = plan_.map.groups[last_.group].is_uniform() ? 0 : cursor.position(last_.group) / last_.extent;
    const Segment* segment = plan_.segments.data() + plan_.first_segment[number];
    const Segment* end = plan_.segments.data() + plan_.first_segment[number + 1];
    for (; segment != end; ++segment) {
      int64_t begin = std::max(segment->begin, row);
      int64_t stop = std::min(segment->begin + segment->length, row + length);
      if (begin >= stop) continue;
      int64_t first = segment->value < 0 ? segment->value : segment->value + (begin - segment->begin);
      emit(combine(value, first), to + begin, stop - begin);
    }
  }

  void gather_row(const Cursor& cursor, int64_t row, int64_t length) {
    const MapGroup& group = plan_.map.groups[last_.group];
    int64_t value = cursor.value(), position = cursor.position(last_.group) + row;
    T* to = to_ + cursor.to() + row;
    if (value >= 0 && group.is_uniform()) {
      const T* from = from_ + value + position * group.stride;
      for (int64_t j = 0; j < length; ++j) to[j] = from[j * group.stride];
      return;
    }
    for (int64_t j = 0; j < length; ++j) to[j] = element(combine(value, group.at(position + j)));
  }

  T element(int64_t value) const { return value < 0 ? *fill(value) : from_[value]; }

  void copy_block(const Cursor& cursor, int64_t column, int64_t columns, int64_t row, int64_t length) {
    const MapGroup& row_group = plan_.map.groups[last_.group];
    const MapGroup& column_group = plan_.map.groups[column_.group];
    int64_t value = cursor.value();
    int64_t row_position = cursor.position(last_.group) + row;
    int64_t values[kMaxBlockRows];
    for (int64_t j = 0; j < length; ++j) values[j] = combine(value, row_group.at(row_position + j));
    T* to = to_ + cursor.to() + row;
    auto column_value = [&](int64_t i) {
      return column_group.at(cursor.position(column_.group) + i * column_.group_stride);
    };
    for (int64_t i = column; i < column + columns;) {
      int64_t first = column_value(i), run = 1;
      T* corner = to + i * column_.to_stride;
      if (first < 0) {
        for (int64_t j = 0; j < length; ++j) corner[j] = *fill(std::min(first, values[j]));
        ++i;
        continue;
      }
      if (column_group.is_uniform() && column_group.stride == 1) {
        run = column + columns - i;
      } else {
        while (i + run < column + columns && column_value(i + run) == first + run) ++run;
      }
      const T* rows[kMaxBlockRows];
      for (int64_t j = 0; j < length; ++j) rows[j] = values[j] < 0 ? fill(values[j]) : from_ + values[j] + first;
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

void Permute::run(const void* from, void* to, int64_t first, int64_t last) const {
  plan_->run(from, to, first * plan_->units_per_task, std::min(last * plan_->units_per_task, plan_->units));
}

void fill_padding(DataType type, const std::vector<int64_t>& shape, const Layout& layout, void* data) {
  // Between equal layouts most values are uniform, so that rows get long; only which positions are padding matters.
  CopyPlan plan = make_copy_plan(type, make_copy_map(shape, layout, layout), true);
  plan.run(nullptr, data, 0, plan.units);
}

}  // namespace altrt::jit
