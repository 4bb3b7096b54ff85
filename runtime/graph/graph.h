// Graph: operators and values, and the passes that make it static and small before groups are formed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <altrt/model.h>
#include <altrt/tensor.h>

#include "runtime/ops/custom.h"
#include "runtime/ops/op.h"

namespace altrt::graph {

/// A value: graph input, constant, or a node's output. Edges are value numbers.
struct Value {
  std::string name;
  DataType type = DataType::f32;
  Shape shape;                         // -1 where symbolic or (before inference) unknown
  std::vector<std::string> symbols;    // graph inputs: names of symbolic dimensions, "" where none
  bool shape_known = false;            // false before inference for anything but inputs and constants
  std::shared_ptr<const Tensor> data;  // constants
  bool is_constant() const { return data != nullptr; }
};

struct Node {
  std::string name;
  std::string type;
  std::string domain;
  std::vector<int> inputs;   // -1 = absent optional input
  std::vector<int> outputs;  // -1 = output nobody asked for
  ops::NodeAttributes attributes;
};

/// Nodes are in topological order.
struct Graph {
  std::string name;  // file name or builder's name, for messages
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<int> inputs, outputs;
  std::map<std::string, int> opsets;                      // by domain; "" = ai.onnx
  std::shared_ptr<const ops::CustomOperators> operators;  // of the user's own; null = none
  uint64_t definitions = 0;  // after inference: hash of what the user's own operators computed; 0 = there were none

  int opset(const std::string& domain) const;
  std::string where(const Node& node) const;  // "resnet18.onnx: node 'conv1' (Conv)"
  /// What an operator may ask of the node. Shapes of its inputs must be known.
  ops::NodeInfo info(const Node& node) const;
  /// Node numbers that read the value.
  std::vector<int> readers(int value) const;
  /// Node number that makes the value; -1 for inputs and constants.
  int producer(int value) const;
};

using altrt::to_string;  // of types and shapes
std::string to_string(const Graph& graph);
/// Error(invalid_model) names node and field: dangling or duplicate names, cycles, wrong counts of inputs, duplicate
/// outputs.
void verify(const Graph& graph);
/// Puts the nodes into topological order; a sorted graph keeps its order. Error(invalid_model) names the nodes of a
/// cycle.
Graph sort(Graph graph);
/// All operator kinds with counts and whether they can run.
std::vector<OperatorCount> operator_counts(const Graph& graph);

// --- passes: Graph -> Graph ---
/// Fixes symbolic dimensions of inputs by name of dimension and by input. Error(invalid_argument) names what is left
/// open or contradicts.
Graph fix_shapes(Graph graph, const std::map<std::string, Shape>& input_shapes,
                 const std::map<std::string, int64_t>& dimensions);
/// Infers every type and shape, evaluating shape arithmetic and folding nodes whose inputs are all constant as it goes
/// (so that data-dependent shapes are known wherever they can be). Error(unsupported) names all operators that are
/// missing in one message with counts. Folding refuses to make constants beyond 1 GiB.
Graph infer_and_fold(Graph graph);
/// Identity, Dropout (inference) and no-op casts, reshapes, transposes vanish; common subexpressions of constants too.
Graph remove_no_ops(Graph graph);
/// BatchNormalization (inference) after Conv, ConvTranspose, Gemm or MatMul with constant weights goes into the
/// weights; elsewhere it becomes Mul and Add.
Graph fold_batch_norm(Graph graph);
/// A Split becomes one node a part, each of which wants only that output, with the moves (reshapes, transpositions)
/// before it that only the Split reads: readers can then read through what they need.
Graph part_splits(Graph graph);
/// Nodes and values that no output needs vanish.
Graph prune(Graph graph);
/// All of the above in order.
Graph simplify(Graph graph, const std::map<std::string, Shape>& input_shapes,
               const std::map<std::string, int64_t>& dimensions);

/// Runs the graph with the reference evaluator, node by node. Needs a graph with known shapes. One tensor per graph
/// output, in order.
std::vector<Tensor> evaluate(const Graph& graph, const std::vector<TensorView>& inputs);

}  // namespace altrt::graph
