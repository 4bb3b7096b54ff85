#include "runtime/onednn/formats.h"

#include <algorithm>
#include <numeric>

namespace altrt::onednn {
namespace {

struct Blocking {
  std::vector<int64_t> dims, padded, strides, sizes, dimensions;
};

#if DNNL_VERSION_MAJOR >= 3
std::optional<Blocking> blocking_of(const dnnl::memory::desc& desc) {
  if (desc.get_format_kind() != dnnl::memory::format_kind::blocked) return {};
  return Blocking{desc.get_dims(), desc.get_padded_dims(), desc.get_strides(), desc.get_inner_blks(),
                  desc.get_inner_idxs()};
}
#else
std::optional<Blocking> blocking_of(const dnnl::memory::desc& desc) {
  const dnnl_memory_desc_t& data = desc.data;
  if (data.format_kind != dnnl_blocked || data.extra.flags != 0) return {};
  const dnnl_blocking_desc_t& blocking = data.format_desc.blocking;
  return Blocking{{data.dims, data.dims + data.ndims},
                  {data.padded_dims, data.padded_dims + data.ndims},
                  {blocking.strides, blocking.strides + data.ndims},
                  {blocking.inner_blks, blocking.inner_blks + blocking.inner_nblks},
                  {blocking.inner_idxs, blocking.inner_idxs + blocking.inner_nblks}};
}
#endif

// Appends splits and the reordering to `layout`, whose physical dimensions so far are the format's.
void append(const Format& format, jit::Layout& layout) {
  const int rank = static_cast<int>(format.order.size());
  std::vector<int64_t> first(static_cast<size_t>(rank));  // number of each dimension's outer part after all splits
  std::vector<std::vector<int64_t>> factors(static_cast<size_t>(rank), {0});
  for (const auto& [dimension, size] : format.blocks) factors[static_cast<size_t>(dimension)].push_back(size);
  int64_t at = 0;
  for (int d = 0; d < rank; ++d) {
    first[static_cast<size_t>(d)] = at;
    at += static_cast<int64_t>(factors[static_cast<size_t>(d)].size());
  }
  for (int d = rank - 1; d >= 0; --d) {
    if (factors[static_cast<size_t>(d)].size() > 1) layout.split(d, factors[static_cast<size_t>(d)]);
  }
  std::vector<int64_t> order;
  for (const int d : format.order) order.push_back(first[static_cast<size_t>(d)]);
  std::vector<int64_t> next = first;
  for (const auto& [dimension, size] : format.blocks) order.push_back(++next[static_cast<size_t>(dimension)]);
  if (!std::is_sorted(order.begin(), order.end())) layout.reorder(order);
}

}  // namespace

int64_t Format::block(int dimension) const {
  int64_t product = 1;
  for (const auto& [d, size] : blocks) product *= d == dimension ? size : 1;
  return product;
}

std::optional<Format> format_of(const dnnl::memory::desc& desc) {
  const std::optional<Blocking> blocking = blocking_of(desc);
  if (!blocking || blocking->dims != blocking->padded) return {};
  Format format;
  format.order.resize(blocking->dims.size());
  std::iota(format.order.begin(), format.order.end(), 0);
  const auto stride = [&](int d) { return blocking->strides[static_cast<size_t>(d)]; };
  std::stable_sort(format.order.begin(), format.order.end(), [&](int a, int b) { return stride(a) > stride(b); });
  int64_t dense = 1;
  for (size_t i = 0; i < blocking->sizes.size(); ++i) {
    format.blocks.emplace_back(static_cast<int>(blocking->dimensions[i]), blocking->sizes[i]);
    dense *= blocking->sizes[i];
  }
  for (size_t i = format.order.size(); i-- > 0;) {
    const int d = format.order[i];
    const int64_t outer = blocking->dims[static_cast<size_t>(d)] / format.block(d);
    if (outer != 1 && stride(d) != dense) return {};
    dense *= outer;
  }
  return format;
}

jit::Layout layout_of(const Format& format) {
  jit::Layout layout;
  append(format, layout);
  return layout;
}

jit::Layout grouped_layout_of(const Format& format, int64_t groups, int64_t outputs_per_group) {
  if (format.blocks.empty() && std::is_sorted(format.order.begin(), format.order.end())) return {};
  jit::Layout layout;
  layout.split(0, {groups, outputs_per_group});
  append(format, layout);
  return layout;
}

jit::Layout transposed_layout_of(const Format& format) {
  Format transposed = format;
  for (int& d : transposed.order) d = 1 - d;
  for (auto& [d, size] : transposed.blocks) d = 1 - d;
  return layout_of(transposed);
}

}  // namespace altrt::onednn
