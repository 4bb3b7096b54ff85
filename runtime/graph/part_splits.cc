#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/graph/uses.h"

namespace altrt::graph {

namespace {

bool is_move(const Node& node) {
  const std::string& type = node.type;
  return node.domain.empty() &&
         (type == "Reshape" || type == "Transpose" || type == "Squeeze" || type == "Unsqueeze" || type == "Flatten");
}

class Parting {
 public:
  explicit Parting(Graph& graph) : graph_(graph), uses_(graph), dropped_(graph.nodes.size(), false) {
    for (const Value& value : graph.values) names_.insert(value.name);
  }

  void run() {
    const std::vector<Node> old = graph_.nodes;
    std::vector<std::vector<int>> chains(old.size());
    for (size_t n = 0; n < old.size(); ++n) {
      if (!is_parted(old[n])) continue;
      chains[n] = moves_before(old[n]);
      for (const int move : chains[n]) dropped_[static_cast<size_t>(move)] = true;
    }
    graph_.nodes.clear();
    for (size_t n = 0; n < old.size(); ++n) {
      if (dropped_[n]) continue;
      if (is_parted(old[n])) {
        for (size_t part = 0; part < old[n].outputs.size(); ++part) {
          if (old[n].outputs[part] >= 0) add_part(old, old[n], part, chains[n]);
        }
      } else {
        graph_.nodes.push_back(old[n]);
      }
    }
  }

 private:
  static bool is_parted(const Node& node) {
    int wanted = 0;
    for (const int output : node.outputs) wanted += output >= 0 ? 1 : 0;
    return node.domain.empty() && node.type == "Split" && wanted > 1;
  }

  /// The moves that make what the node splits and that nobody else reads, the last one first.
  std::vector<int> moves_before(const Node& split) const {
    std::vector<int> moves;
    int value = split.inputs[0];
    while (!uses_.is_output[value] && uses_.readers[value].size() == 1 && uses_.producer[value] >= 0) {
      const Node& node = graph_.nodes[uses_.producer[value]];
      if (!is_move(node)) break;
      moves.push_back(uses_.producer[value]);
      value = node.inputs[0];
    }
    return moves;
  }

  void add_part(const std::vector<Node>& old, const Node& split, size_t part, const std::vector<int>& moves) {
    const std::string suffix = "." + std::to_string(part);
    int value = moves.empty() ? split.inputs[0] : old[static_cast<size_t>(moves.back())].inputs[0];
    for (size_t i = moves.size(); i-- > 0;) {
      Node move = old[static_cast<size_t>(moves[i])];
      move.name += suffix;
      move.inputs[0] = value;
      value = copy_of(move.outputs[0], suffix);
      move.outputs[0] = value;
      graph_.nodes.push_back(std::move(move));
    }
    Node one = split;
    one.name += suffix;
    one.inputs[0] = value;
    for (size_t i = 0; i < one.outputs.size(); ++i) {
      if (i != part) one.outputs[i] = -1;
    }
    graph_.nodes.push_back(std::move(one));
  }

  int copy_of(int value, const std::string& suffix) {
    Value copy = graph_.values[value];
    copy.name += suffix;
    while (!names_.insert(copy.name).second) copy.name += "_";
    graph_.values.push_back(std::move(copy));
    return static_cast<int>(graph_.values.size()) - 1;
  }

  Graph& graph_;
  const Uses uses_;
  std::vector<bool> dropped_;  // nodes that every part has a copy of
  std::unordered_set<std::string> names_;
};

}  // namespace

Graph part_splits(Graph graph) {
  Parting(graph).run();
  return graph;
}

}  // namespace altrt::graph
