#include "runtime/graph/operators.h"

#include <altrt/error.h>

#include <map>
#include <string>
#include <utility>

namespace altrt::graph {

std::vector<OperatorCount> operator_counts(const Graph& graph) {
  std::map<std::pair<std::string, std::string>, int> counts;
  for (const Node& node : graph.nodes) ++counts[{node.domain, node.type}];
  std::vector<OperatorCount> result;
  for (const auto& [key, count] : counts) {
    OperatorCount one;
    one.domain = key.first;
    one.type = key.second;
    one.count = count;
    const int opset = graph.opset(one.domain);
    one.supported = find_definition(graph, one.domain, one.type) != nullptr;
    if (!one.supported) one.reason = ops::why_unsupported(one.domain, one.type, opset);
    result.push_back(std::move(one));
  }
  return result;
}

void require_supported(const Graph& graph) {
  std::string missing;
  int kinds = 0;
  for (const auto& op : operator_counts(graph)) {
    if (op.supported) continue;
    ++kinds;
    missing += (missing.empty() ? "" : "; ") + (op.domain.empty() ? "" : op.domain + "::") + op.type + " x" +
               std::to_string(op.count) + " (" + op.reason + ")";
  }
  if (kinds == 0) return;
  throw Error(ErrorCode::unsupported, graph.name + ": " + std::to_string(kinds) +
                                          (kinds == 1 ? " operator is" : " operators are") +
                                          " not supported: " + missing);
}

const ops::OpDef* find_definition(const Graph& graph, const std::string& domain, const std::string& type) {
  if (graph.operators) {
    if (const ops::OpDef* found = graph.operators->find(domain, type)) return found;
  }
  return ops::find_op(domain, type, graph.opset(domain));
}

const ops::OpDef& definition(const Graph& graph, const Node& node) {
  const ops::OpDef* found = find_definition(graph, node.domain, node.type);
  if (!found) {
    const int opset = graph.opset(node.domain);
    throw Error(ErrorCode::unsupported, graph.where(node) + ": " + ops::why_unsupported(node.domain, node.type, opset));
  }
  return *found;
}

}  // namespace altrt::graph
