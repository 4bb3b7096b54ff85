// What a graph computes, as one number.
#pragma once

#include <cstdint>

#include "runtime/base/team.h"
#include "runtime/graph/graph.h"

namespace altrt::graph {

/// Hash of a tensor's type, shape and bytes; remembered of those that are not in memory, which stay where they are.
uint64_t hash_of(const Tensor& tensor);

/// hash_of() of all constants that are not in memory, for who asks next. The team shares them. Throws where one cannot
/// be read.
void hash_deferred(const Graph& graph, base::Team& team);

/// Hash of operators, attributes, values (names, types, shapes) and the bytes of all constants; not of the model's
/// name, so that it does not depend on where the file lies. Equal on every machine. The team shares the constants.
uint64_t content_hash(const Graph& graph, base::Team& team);

}  // namespace altrt::graph
