// store_at across the tensors of a Computation: which constants lie in the memory of another one, and where.
//
// The layout of a tensor that is stored elsewhere (the source) ends in store_at(host, k). What comes before brings it
// to the host's physical shape without dimension k; the host's layout does not mention it. The host's physical shape
// grows along k behind its own N_k: the first source lies at index N_k, the next one (in the order of tensor numbers)
// at N_k + 1. So the host's own primitives never have to divide a grown extent, and its blocks stay what they were:
//
//   weights [K, N]   split(1, 0x16) reorder(1,0,2)     [N/16][K][16], in memory [N/16][K + 1][16]
//   bias [N]         split(0, 0x16) store_at(weights, 1)             at [N/16][K][16]
//
// (ALT lets the logical shape grow and applies the host's later primitives to that. Splits of the other dimensions come
// to the same memory here as steps of both lists; a split of the grown dimension itself would need padding up to whole
// blocks, which a pad in the source's list gives too.)
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jit/expr/computation.h"
#include "jit/layout/layout.h"

namespace altrt::jit {

struct StoredLayouts {
  /// As given, but for: store_at followed by its decouple_at is gone, sources' store_at have their index and extent,
  /// hosts' layouts end in a pad that holds their sources.
  std::map<std::string, Layout> layouts;
  /// By tensor number: the tensor in whose memory it lies; itself if in its own.
  std::vector<int> memory;

  /// Tensors in the memory of `host` besides itself, in the order of their indices.
  std::vector<int> sources(int host) const;
  Layout layout(const Computation& c, int tensor) const;  // plain if there is no entry
};

/// Error(invalid_argument) names tensor, primitive and reason: only constants share a memory; source and host differ in
/// nothing but dimension k; a host lies in its own memory, and all its sources along the same dimension.
StoredLayouts resolve_store_at(const Computation& c, const std::map<std::string, Layout>& layouts);

}  // namespace altrt::jit
