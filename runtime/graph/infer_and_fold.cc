#include <altrt/error.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/hash.h"
#include "runtime/base/text.h"
#include "runtime/graph/graph.h"
#include "runtime/graph/operators.h"
#include "runtime/graph/run_node.h"

namespace altrt::graph {

namespace {

constexpr uint64_t kMostValueBytes = uint64_t{64} << 30;  // of any one value
constexpr uint64_t kMostFoldedBytes = uint64_t{1} << 30;  // of all constants made by folding
// Points of iteration that all folding may take together: in proportion to the weights, so that a small file cannot
// cost much time.
constexpr double kFoldedWorkBase = 1 << 24;
constexpr double kFoldedWorkPerElement = 16;

class Folding {
 public:
  explicit Folding(Graph& graph) : graph_(graph), work_left_(kFoldedWorkBase) {
    for (const Value& value : graph.values) {
      if (value.is_constant()) work_left_ += kFoldedWorkPerElement * static_cast<double>(element_count(value.shape));
    }
  }

  void run() {
    std::vector<Node> left;
    for (Node& node : graph_.nodes) {
      if (!process(node)) left.push_back(std::move(node));
    }
    graph_.nodes = std::move(left);
  }

 private:
  // Infers the node's outputs; true if they became constants.
  bool process(const Node& node) {
    const ops::OpDef& op = definition(graph_, node);
    const ops::NodeInfo info = graph_.info(node);
    const auto results = ops::infer(op, info);
    uint64_t bytes = 0;
    for (size_t i = 0; i < results.size(); ++i) bytes += checked_bytes(info, results[i]);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] < 0) continue;
      Value& value = graph_.values[node.outputs[i]];
      value.type = results[i].type;
      value.shape = results[i].shape;
      value.symbols.assign(value.shape.size(), "");
      value.shape_known = true;
    }
    // A value without elements is a constant whatever it was made from: groups never see one.
    if (bytes == 0 && !node.outputs.empty()) {
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] < 0) continue;
        graph_.values[node.outputs[i]].data = std::make_shared<const Tensor>(results[i].type, results[i].shape);
      }
      return true;
    }
    if (op.pattern == ops::Pattern::derived) check_custom(info, op, results);
    return can_fold(info) && fold(node, info, op, results, bytes);
  }

  // Before anything is made of it: what is at fault is the user's definition.
  void check_custom(const ops::NodeInfo& info, const ops::OpDef& op, const std::vector<ops::ResultType>& results) {
    const jit::Computation computation = node_computation(info, op, results);
    ops::check_definition(info, computation);
    graph_.definitions = base::Hasher(graph_.definitions).add(jit::hash(computation)).value();
  }

  static uint64_t checked_bytes(const ops::NodeInfo& info, const ops::ResultType& result) {
    try {
      uint64_t bytes = 0;
      if (!__builtin_mul_overflow(static_cast<uint64_t>(element_count(result.shape)), size_of(result.type), &bytes) &&
          bytes <= kMostValueBytes) {
        return bytes;
      }
    } catch (const Error& error) {
      info.fail(std::string("output: ") + error.what(), error.code());
    }
    info.fail("an output of shape " + to_string(result.shape) + " is beyond the limit of 64 GiB",
              ErrorCode::out_of_memory);
  }

  static bool can_fold(const ops::NodeInfo& info) {
    // Their results depend on the shape alone.
    if (info.domain.empty() && (info.type == "Shape" || info.type == "Size")) return true;
    for (const auto& input : info.inputs) {
      if (input && !input->data) return false;
    }
    return true;
  }

  bool fold(const Node& node, const ops::NodeInfo& info, const ops::OpDef& op,
            const std::vector<ops::ResultType>& results, uint64_t bytes) {
    if (bytes > kMostFoldedBytes - folded_bytes_) return false;
    std::vector<TensorView> inputs;
    for (const auto& input : info.inputs) {
      inputs.push_back(!input        ? TensorView()
                       : input->data ? input->data->view()
                                     : TensorView(nullptr, input->type, input->shape));
    }
    std::vector<Tensor> tensors;
    if (!run_move(info, results, inputs, tensors)) {
      const double work = op.host ? static_cast<double>(bytes) : evaluation_work(node_computation(info, op, results));
      if (work > work_left_) return false;
      work_left_ -= work;
      tensors = run_node(info, op, results, inputs);
    }
    folded_bytes_ += bytes;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] < 0) continue;
      graph_.values[node.outputs[i]].data = std::make_shared<const Tensor>(std::move(tensors[i]));
    }
    return true;
  }

  Graph& graph_;
  uint64_t folded_bytes_ = 0;
  double work_left_;
};

}  // namespace

Graph infer_and_fold(Graph graph) {
  require_supported(graph);
  Folding(graph).run();
  return graph;
}

}  // namespace altrt::graph
