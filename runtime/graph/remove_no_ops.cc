#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/base/deferred.h"
#include "runtime/graph/content_hash.h"
#include "runtime/graph/graph.h"
#include "runtime/graph/uses.h"

namespace altrt::graph {

namespace {

bool is_constant_filled_with(const Value& value, int64_t expected) {
  if (!value.is_constant() || value.type != DataType::i64) return false;
  for (int64_t i = 0; i < element_count(value.shape); ++i) {
    if (value.data->as<int64_t>()[i] != expected) return false;
  }
  return true;
}

// Whether a transposition leaves every element where it is: dimensions other than those of extent 1 keep their order.
bool keeps_order(const Node& node, const Shape& shape) {
  const auto found = node.attributes.values.find("perm");
  int64_t last = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t from = found == node.attributes.values.end() ? static_cast<int64_t>(shape.size() - 1 - i)
                                                               : found->second.integers.at(i);
    if (shape.at(from) == 1) continue;
    if (from < last) return false;
    last = from;
  }
  return true;
}

bool other_outputs_unused(const Node& node, const Uses& uses) {
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    const int output = node.outputs[i];
    if (output >= 0 && (uses.is_output[output] || !uses.readers[output].empty())) return false;
  }
  return true;
}

// Whether the node's first output always equals its first input. Types and shapes are known.
bool is_no_op(const Graph& graph, const Node& node, const Uses& uses) {
  if (!node.domain.empty() || node.inputs.empty() || node.inputs[0] < 0 || node.outputs[0] < 0) return false;
  const Value& in = graph.values[node.inputs[0]];
  const Value& out = graph.values[node.outputs[0]];
  if (!in.shape_known || !out.shape_known) return false;
  if (in.type != out.type || in.shape != out.shape || !other_outputs_unused(node, uses)) return false;
  const std::string& type = node.type;
  if (type == "Identity" || type == "Cast" || type == "CastLike" || type == "Reshape" || type == "Flatten" ||
      type == "Squeeze" || type == "Unsqueeze" || type == "Expand") {
    return true;
  }
  if (type == "Dropout") {  // a third input may switch training on
    return node.inputs.size() < 3 || node.inputs[2] < 0 ||
           (graph.values[node.inputs[2]].is_constant() && !*graph.values[node.inputs[2]].data->as<uint8_t>());
  }
  if (type == "Transpose") return keeps_order(node, in.shape);
  if (type == "Concat") return node.inputs.size() == 1;
  if (type == "Slice") {  // the same extents by steps of one are the whole
    if (node.inputs.size() < 3) return true;
    return node.inputs.size() < 5 || node.inputs[4] < 0 || is_constant_filled_with(graph.values[node.inputs[4]], 1);
  }
  if (type == "Pad") return node.inputs.size() > 1 && is_constant_filled_with(graph.values[node.inputs[1]], 0);
  return false;
}

// Everything that decides what a node computes, as a key.
std::string key_of(const Graph& graph, const Node& node) {
  std::string key = node.domain + '\0' + node.type + '\0' + std::to_string(node.outputs.size());
  for (const int input : node.inputs) key += ',' + std::to_string(input);
  key += '\0';
  for (const auto& [name, attribute] : node.attributes.values) {
    key += name + '=' + std::to_string(static_cast<int>(attribute.kind)) + std::to_string(attribute.integer) + ' ';
    key.append(reinterpret_cast<const char*>(&attribute.real), sizeof(float));
    key += std::to_string(attribute.text.size()) + ' ' + attribute.text;
    for (const int64_t value : attribute.integers) key += ' ' + std::to_string(value);
    key += ';' + std::to_string(attribute.reals.size());
    key.append(reinterpret_cast<const char*>(attribute.reals.data()), attribute.reals.size() * sizeof(float));
  }
  for (const auto& [name, tensor] : node.attributes.tensors) {
    key += '#' + name + '=' + to_string(tensor->type()) + to_string(tensor->shape());
    key.append(static_cast<const char*>(tensor->data()), tensor->bytes());
  }
  for (const int output : node.outputs) key += output < 0 ? '-' : to_string(graph.values[output].type)[0];
  return key;
}

void copy_part(const Tensor& tensor, size_t offset, size_t bytes, void* to) {
  if (const base::DeferredBytes* deferred = base::deferred_bytes(tensor)) return deferred->read(to, offset, bytes);
  std::memcpy(to, static_cast<const char*>(tensor.data()) + offset, bytes);
}

// Piece by piece: those that are not in memory stay where they are.
bool equal_data(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type() || a.shape() != b.shape()) return false;
  constexpr size_t kPiece = 64 << 10;
  std::vector<char> left(std::min(kPiece, a.bytes())), right(left.size());
  for (size_t at = 0; at < a.bytes(); at += kPiece) {
    const size_t bytes = std::min(kPiece, a.bytes() - at);
    copy_part(a, at, bytes, left.data());
    copy_part(b, at, bytes, right.data());
    if (std::memcmp(left.data(), right.data(), bytes) != 0) return false;
  }
  return true;
}

class Removal {
 public:
  explicit Removal(Graph& graph) : graph_(graph), uses_(graph), same_as_(graph.values.size()) {
    for (size_t i = 0; i < same_as_.size(); ++i) same_as_[i] = static_cast<int>(i);
  }

  void run() {
    merge_constants();
    std::vector<Node> left;
    for (Node& node : graph_.nodes) {
      resolve(node);
      if (bypass(node, left) || merge(node, left)) continue;
      for (const int output : node.outputs) {
        if (output >= 0) position_[output] = left.size();
      }
      left.push_back(std::move(node));
    }
    for (Node& node : left) resolve(node);
    graph_.nodes = std::move(left);
  }

 private:
  int find(int value) {
    while (same_as_[value] != value) value = same_as_[value] = same_as_[same_as_[value]];
    return value;
  }

  void resolve(Node& node) {
    for (int& input : node.inputs) {
      if (input >= 0) input = find(input);
    }
  }

  void merge_constants() {
    std::unordered_multimap<uint64_t, int> known;
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const Value& value = graph_.values[i];
      if (!value.is_constant() || uses_.is_output[i]) continue;
      const uint64_t hash = hash_of(*value.data);
      const auto [first, last] = known.equal_range(hash);
      bool merged = false;
      for (auto at = first; at != last && !merged; ++at) {
        merged = equal_data(*graph_.values[at->second].data, *value.data);
        if (merged) same_as_[i] = at->second;
      }
      if (!merged) known.emplace(hash, static_cast<int>(i));
    }
  }

  // Makes readers of a no-op's output read its input. A graph output keeps its name: then the input's producer writes
  // it instead.
  bool bypass(const Node& node, std::vector<Node>& left) {
    if (!is_no_op(graph_, node, uses_)) return false;
    const int in = node.inputs[0], out = node.outputs[0];
    if (!uses_.is_output[out]) {
      same_as_[out] = in;
      return true;
    }
    const auto producer = position_.find(in);
    if (producer == position_.end() || uses_.is_output[in]) return false;
    for (int& output : left[producer->second].outputs) {
      if (output == in) output = out;
    }
    position_[out] = producer->second;
    position_.erase(producer);
    same_as_[in] = out;
    return true;
  }

  // Drops a node that computes what an earlier one does.
  bool merge(const Node& node, const std::vector<Node>& left) {
    for (const int output : node.outputs) {
      if (output >= 0 && uses_.is_output[output]) return false;
    }
    const auto [entry, added] = computed_.emplace(key_of(graph_, node), left.size());
    if (added) return false;
    const Node& earlier = left[entry->second];
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] >= 0) same_as_[node.outputs[i]] = earlier.outputs[i];
    }
    return true;
  }

  Graph& graph_;
  const Uses uses_;
  std::vector<int> same_as_;                          // value -> the value that stands for it
  std::unordered_map<int, size_t> position_;          // value -> its producer's place in the new list
  std::unordered_map<std::string, size_t> computed_;  // key -> place in the new list
};

}  // namespace

Graph remove_no_ops(Graph graph) {
  Removal(graph).run();
  return graph;
}

}  // namespace altrt::graph
