#include "jit/layout/permute_plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include <altrt/error.h>

namespace altrt::jit {

namespace {

// Shorter runs along the last dimension are worth a transposition where the source runs longer along another.
constexpr double kMinRun = 4;
// Dimensions are merged into rows until a row is this long, and no row's table is longer than kMaxRowTable.
constexpr int64_t kLongRow = 512;
constexpr int64_t kMaxRowTable = 16384;
constexpr int64_t kLongStrip = 16;
// Elements of a unit of mode rows, of a block, and of a task.
constexpr int64_t kRowStep = 8192;
constexpr int64_t kBlock = 4096;
constexpr int64_t kTask = 4096;

/// Mean number of consecutive source elements along a dimension.
double mean_run(const CopyMap& map, int d) {
  const MapDim& dim = map.dims[d];
  const MapGroup& group = map.groups[dim.group];
  if (group.is_uniform()) return group.stride == 1 ? static_cast<double>(dim.extent) : 1;
  int64_t elements = 0, runs = 0;
  int64_t size = static_cast<int64_t>(group.table.size());
  for (int64_t p = 0; p < size; ++p) {
    if (group.table[p] < 0) continue;
    ++elements;
    bool first = p / dim.group_stride % dim.extent == 0;
    if (first || group.table[p - dim.group_stride] + 1 != group.table[p]) ++runs;
  }
  return runs ? static_cast<double>(elements) / static_cast<double>(runs) : 0;
}

template <typename T>
void add_fill(double value, const char* type, std::vector<uint8_t>& bytes) {
  using Limits = std::numeric_limits<T>;
  bool fits = true;
  if constexpr (Limits::is_integer) {
    // The upper limit as a power of two is exact in double; the largest i64 is not.
    fits = value == std::floor(value) && value < std::ldexp(1.0, Limits::digits) &&
           value >= static_cast<double>(Limits::min());
  } else {
    fits = std::isinf(value) || std::abs(value) <= static_cast<double>(Limits::max());
  }
  if (!fits) {
    throw Error(ErrorCode::invalid_argument,
                "fill value " + std::to_string(value) + " can't be held by element type " + type);
  }
  T element = static_cast<T>(value);
  for (int64_t i = 0; i < kMaxColumns; ++i) {
    const auto* begin = reinterpret_cast<const uint8_t*>(&element);
    bytes.insert(bytes.end(), begin, begin + sizeof(T));
  }
}

void add_fill(DataType type, double value, std::vector<uint8_t>& bytes) {
  const char* name = to_string(type);
  switch (type) {
    case DataType::f32:
      return add_fill<float>(value, name, bytes);
    case DataType::f64:
      return add_fill<double>(value, name, bytes);
    case DataType::i64:
      return add_fill<int64_t>(value, name, bytes);
    case DataType::i32:
      return add_fill<int32_t>(value, name, bytes);
    case DataType::i8:
      return add_fill<int8_t>(value, name, bytes);
    case DataType::u8:
      return add_fill<uint8_t>(value, name, bytes);
    case DataType::boolean:
      return add_fill<bool>(value, name, bytes);
  }
}

bool has_padding(const CopyMap& map) {
  return std::any_of(map.groups.begin(), map.groups.end(), [](const MapGroup& group) {
    return std::any_of(group.table.begin(), group.table.end(), [](int64_t value) { return value < 0; });
  });
}

/// Makes rows longer: the last two dimensions become one where that needs only a table of moderate size. A long regular
/// dimension stays: its rows are copied in strips.
void lengthen_rows(CopyMap& map) {
  while (map.dims.size() >= 2) {
    int inner = static_cast<int>(map.dims.size()) - 1;
    int64_t extent = map.dims[inner].extent;
    if (extent >= kLongRow || map.dims[inner - 1].extent > kMaxRowTable / extent) return;
    if (!map.alone(inner) || !map.alone(inner - 1)) return;
    if (map.groups[map.dims[inner - 1].group].is_uniform() && map.dims[inner - 1].extent >= kLongStrip) return;
    merge_alone(map, inner - 1);
  }
}

void choose_mode(CopyPlan& plan) {
  const CopyMap& map = plan.map;
  int last = static_cast<int>(map.dims.size()) - 1;
  if (plan.padding_only || last < 0) return;
  double run = mean_run(map, last);
  if (run >= kMinRun) return;
  double best = std::max(run, 1.0);
  for (int d = last - 1; d >= 0; --d) {
    if (map.dims[d].group == map.dims[last].group) continue;
    double candidate = mean_run(map, d);
    if (candidate > best) {
      best = candidate;
      plan.column_dim = d;
    }
  }
  if (plan.column_dim >= 0) {
    plan.mode = CopyMode::blocks;
  } else if (run < 2) {
    plan.mode = CopyMode::gather;
  }
}

void cut_rows(CopyPlan& plan) {
  const MapDim& dim = plan.map.dims.back();
  const MapGroup& group = plan.map.groups[dim.group];
  if (group.is_uniform()) {
    plan.segments = {{0, dim.extent, 0}};
    plan.first_segment = {0, 1};
    return;
  }
  int64_t size = static_cast<int64_t>(group.table.size());
  for (int64_t p = 0; p < size; ++p) {
    int64_t begin = p % dim.extent, value = group.table[p];
    if (begin == 0) plan.first_segment.push_back(static_cast<int64_t>(plan.segments.size()));
    if (begin > 0) {
      Segment& previous = plan.segments.back();
      bool more = value < 0 ? value == previous.value
                            : previous.value >= 0 && (plan.padding_only || value == previous.value + previous.length);
      if (more) {
        ++previous.length;
        continue;
      }
    }
    plan.segments.push_back({begin, 1, value});
  }
  plan.first_segment.push_back(static_cast<int64_t>(plan.segments.size()));
}

void find_column_runs(CopyPlan& plan) {
  const MapDim& dim = plan.map.dims[plan.column_dim];
  const MapGroup& group = plan.map.groups[dim.group];
  if (group.is_uniform()) {
    plan.unit_columns = group.stride == 1 ? dim.extent : 1;
    return;
  }
  const std::vector<int64_t>& table = group.table;
  plan.column_runs.assign(table.size(), 1);
  for (int64_t p = static_cast<int64_t>(table.size()); p-- > 0;) {
    int64_t next = p + dim.group_stride;
    bool at_end = p / dim.group_stride % dim.extent == dim.extent - 1;
    if (!at_end && table[p] >= 0 && table[next] == table[p] + 1) plan.column_runs[p] += plan.column_runs[next];
  }
}

/// At most `most`, such that no task ends within a digit of the units' number and goes on with the next.
int64_t task_units(const CopyPlan& plan, int64_t most) {
  int64_t units = 1;
  for (const int64_t extent : plan.unit_extents()) {
    int64_t part = std::min(extent, most);
    while (extent % part != 0) --part;
    units *= part;
    most /= part;
    if (part < extent) break;
  }
  return units;
}

void choose_chunks(CopyPlan& plan) {
  const std::vector<MapDim>& dims = plan.map.dims;
  plan.units = 1;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (static_cast<int>(d) == plan.column_dim || d + 1 == dims.size()) continue;
    plan.outer.push_back(static_cast<int>(d));
    plan.units *= dims[d].extent;
  }
  plan.row = plan.row_step = dims.empty() ? 1 : dims.back().extent;
  if (plan.mode == CopyMode::blocks) {
    plan.columns = dims[plan.column_dim].extent;
    // Both sides of a block stay in the first-level cache; the source is read in pieces of whole cache lines.
    if (plan.row_step > kMaxBlockRows) plan.row_step = kMaxBlockRows;
    plan.column_step = std::min({plan.columns, kMaxColumns, kBlock / plan.row_step / 16 * 16});
  } else if (plan.row_step > 2 * kRowStep) {
    plan.row_step = kRowStep;
  }
  plan.row_chunks = (plan.row + plan.row_step - 1) / plan.row_step;
  plan.column_chunks = (plan.columns + plan.column_step - 1) / plan.column_step;
  plan.units *= plan.row_chunks * plan.column_chunks;
  plan.units_per_task = task_units(plan, std::max<int64_t>(1, kTask / (plan.row_step * plan.column_step)));
}

}  // namespace

std::vector<int64_t> CopyPlan::unit_extents() const {
  std::vector<int64_t> extents{row_chunks, column_chunks};
  for (size_t d = outer.size(); d-- > 0;) extents.push_back(map.dims[static_cast<size_t>(outer[d])].extent);
  return extents;
}

CopyPlan make_copy_plan(DataType type, CopyMap map, bool padding_only) {
  CopyPlan plan;
  plan.type = type;
  plan.map = std::move(map);
  plan.padding_only = padding_only;
  for (double fill : plan.map.fills) add_fill(type, fill, plan.fills);
  if (plan.map.elements == 0 || (padding_only && !has_padding(plan.map))) return plan;
  choose_mode(plan);
  if (plan.mode == CopyMode::rows) {
    lengthen_rows(plan.map);
    if (!plan.map.dims.empty()) cut_rows(plan);
  }
  if (plan.mode == CopyMode::blocks) find_column_runs(plan);
  choose_chunks(plan);
  return plan;
}

}  // namespace altrt::jit
