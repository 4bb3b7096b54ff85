// Matrix products: cut into batches or rows.
#include <algorithm>
#include <exception>
#include <map>
#include <optional>

#include "runtime/onednn/build.h"

namespace altrt::onednn {
namespace {

using dnnl::memory;
using Dims = memory::dims;

class Builder {
 public:
  Builder(const Match& match, const dnnl::engine& engine) : whole_(*match.product), engine_(engine), epilogue_(match) {}

  Built build(int parts, bool free_weights) {
    free_weights_ = free_weights && whole_.whole_b;
    const bool by_batch = !whole_.batch.empty() && whole_.batch[0] >= parts;
    const int64_t extent = by_batch ? whole_.batch[0] : whole_.m;
    const size_t dimension = by_batch ? 0 : whole_.batch.size();
    // Rows in whole register tiles; a few rows are not worth cutting.
    const int64_t unit = by_batch ? 1 : 8;
    int64_t begin = 0;
    for (const int64_t end : cut(extent, unit, parts)) {
      Product part = whole_;
      (by_batch ? part.batch[0] : part.m) = end - begin;
      Task task;
      task.primitive = make(part, end - begin);
      task.offsets[kSource] = begin * whole_.a[dimension];
      if (by_batch) task.offsets[kWeights] = begin * whole_.b[0];
      task.offsets[kDestination] = task.offsets[kResidual] = begin * whole_.out[dimension];
      built_.tasks.push_back(task);
      begin = end;
    }
    if (weights_) {
      built_.weights = whole_.b[1] == 1 ? layout_of(*weights_) : transposed_layout_of(*weights_);
    }
    return std::move(built_);
  }

 private:
  int make(const Product& part, int64_t size) {
    const auto [known, is_new] = made_.emplace(size, static_cast<int>(built_.primitives.size()));
    if (!is_new) return known->second;
    built_.primitives.push_back(primitive(part));
    const Primitive& made = built_.primitives.back();
    // A part of a strided output is no contiguous piece that could be copied.
    if (made.residual_is_added && !format_of(made.descs[kDestination])) refuse("product: a strided residual");
    if (free_weights_) {
      const std::optional<Format> format = format_of(made.descs[kWeights]);
      if (!format || (weights_ && !(*weights_ == *format))) refuse("product: weights would be padded or differ");
      weights_ = format;
    }
    return known->second;
  }

  Primitive primitive(const Product& part) const {
    const auto type = memory::data_type::f32;
    const auto dims = [&](int64_t rows, int64_t columns) {
      Dims all = part.batch;
      all.insert(all.end(), {rows, columns});
      return all;
    };
    memory::desc bias;
    if (epilogue_.has_bias()) {
      Dims ones(part.batch.size() + 1, 1), strides(part.batch.size() + 2, part.n);
      ones.push_back(part.n);
      strides.back() = 1;
      bias = memory::desc(ones, type, strides);
    }
    const memory::desc a(dims(part.m, part.k), type, part.a), out(dims(part.m, part.n), type, part.out);
    const memory::desc b = free_weights_ ? memory::desc(dims(part.k, part.n), type, memory::format_tag::any)
                                         : memory::desc(dims(part.k, part.n), type, part.b);
    const auto make = [&](const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
      return dnnl::matmul::primitive_desc(engine_, a, b, bias, out, attributes);
#else
      if (!bias) return dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, out), attributes, engine_);
      return dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, bias, out), attributes, engine_);
#endif
    };
    return epilogue_.make<dnnl::matmul::primitive_desc>(bias, out, make);
  }

  const Product& whole_;
  const dnnl::engine& engine_;
  WithEpilogue epilogue_;
  std::map<int64_t, int> made_;
  std::optional<Format> weights_;
  bool free_weights_ = false;
  Built built_;
};

}  // namespace

Built build_product(const Match& match, int parts, const dnnl::engine& engine) {
  try {
    return Builder(match, engine).build(parts, true);
  } catch (const std::exception&) {  // packed weights are not to be had
    return Builder(match, engine).build(parts, false);
  }
}

}  // namespace altrt::onednn
