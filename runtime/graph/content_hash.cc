#include "runtime/graph/content_hash.h"

#include <algorithm>
#include <vector>

#include "runtime/base/deferred.h"
#include "runtime/base/hash.h"
#include "runtime/base/throwing.h"

namespace altrt::graph {
namespace {

template <typename T>
void add_list(base::Hasher& hasher, const std::vector<T>& list) {
  hasher.add(list.size());
  for (const T& item : list) hasher.add(item);
}

void add_reals(base::Hasher& hasher, const std::vector<float>& list) {
  hasher.add(list.size());
  hasher.add_bytes(list.data(), list.size() * sizeof(float));
}

void add_tensor(base::Hasher& hasher, const Tensor& tensor) {
  hasher.add(tensor.type());
  add_list(hasher, tensor.shape());
  hasher.add_bytes(tensor.data(), tensor.bytes());
}

void add_attributes(base::Hasher& hasher, const ops::NodeAttributes& attributes) {
  hasher.add(attributes.values.size());
  for (const auto& [name, attribute] : attributes.values) {
    hasher.add(name).add(attribute.kind).add(attribute.integer).add(static_cast<double>(attribute.real));
    hasher.add(attribute.text);
    add_list(hasher, attribute.integers);
    add_reals(hasher, attribute.reals);
  }
  hasher.add(attributes.tensors.size());
  for (const auto& [name, tensor] : attributes.tensors) {
    hasher.add(name).add(tensor != nullptr);
    if (tensor) add_tensor(hasher, *tensor);
  }
}

}  // namespace

uint64_t hash_of(const Tensor& tensor) {
  base::Hasher hasher;
  base::DeferredBytes* const deferred = base::deferred_bytes(tensor);
  if (!deferred) {
    add_tensor(hasher, tensor);
    return hasher.value();
  }
  hasher.add(tensor.type());
  add_list(hasher, tensor.shape());
  return deferred->hash(hasher.value());
}

void hash_deferred(const Graph& graph, base::Team& team) {
  std::vector<const Tensor*> tensors;
  for (const Value& value : graph.values) {
    if (value.is_constant() && base::deferred_bytes(*value.data)) tensors.push_back(value.data.get());
  }
  // The largest first: no thread is left alone with one at the end.
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const Tensor* a, const Tensor* b) { return a->bytes() > b->bytes(); });
  base::run_throwing(team, static_cast<int64_t>(tensors.size()), 1, [&](int64_t first, int64_t last, int) {
    for (int64_t i = first; i < last; ++i) hash_of(*tensors[static_cast<size_t>(i)]);
  });
}

uint64_t content_hash(const Graph& graph, base::Team& team) {
  hash_deferred(graph, team);
  std::vector<uint64_t> constants(graph.values.size(), 0);
  team.run(static_cast<int64_t>(constants.size()), 1, [&](int64_t first, int64_t last, int) {
    for (int64_t i = first; i < last; ++i) {
      const Value& value = graph.values[static_cast<size_t>(i)];
      if (value.is_constant()) constants[static_cast<size_t>(i)] = hash_of(*value.data);
    }
  });
  base::Hasher hasher;
  add_list(hasher, constants);
  for (const Value& value : graph.values) {
    hasher.add(value.name).add(value.type).add(value.is_constant());
    add_list(hasher, value.shape);
  }
  hasher.add(graph.nodes.size());
  for (const Node& node : graph.nodes) {
    hasher.add(node.name).add(node.type).add(node.domain);
    add_list(hasher, node.inputs);
    add_list(hasher, node.outputs);
    add_attributes(hasher, node.attributes);
  }
  add_list(hasher, graph.inputs);
  add_list(hasher, graph.outputs);
  for (const auto& [domain, version] : graph.opsets) hasher.add(domain).add(version);
  if (graph.definitions != 0) hasher.add(graph.definitions);
  return hasher.value();
}

}  // namespace altrt::graph
