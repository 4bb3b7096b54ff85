// oneDNN's memory formats as layouts.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "jit/layout/layout.h"

namespace altrt::onednn {

/// A dense blocked format without padding: the dimensions in the order of their outer strides, then the blocks from
/// outside to inside as (dimension, size).
struct Format {
  std::vector<int> order;
  std::vector<std::pair<int, int64_t>> blocks;

  bool operator==(const Format&) const = default;
  /// Product of the blocks of a dimension.
  int64_t block(int dimension) const;
};

/// Nothing if the descriptor is padded, strided or of another kind (Winograd, packed).
std::optional<Format> format_of(const dnnl::memory::desc& desc);

/// The layout of a tensor in the format.
jit::Layout layout_of(const Format& format);
/// The same for weights whose dimension 0 oneDNN sees as two, groups and outputs per group.
jit::Layout grouped_layout_of(const Format& format, int64_t groups, int64_t outputs_per_group);
/// The same for a matrix that oneDNN sees transposed.
jit::Layout transposed_layout_of(const Format& format);

}  // namespace altrt::onednn
