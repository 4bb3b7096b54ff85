// Transformations by hand: nests, evaluate, run, inspect_groups, instantiate.
#include <altrt/transform.h>

#include <memory>
#include <utility>

#include "jit/compile/compile.h"
#include "jit/compile/provide.h"
#include "jit/expr/evaluate.h"
#include "jit/layout/permute.h"
#include "jit/layout/stored.h"
#include "runtime/base/buffer.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/text.h"
#include "runtime/graph/compose.h"
#include "runtime/graph/operators.h"
#include "runtime/graph/run_node.h"
#include "runtime/session/inspect.h"
#include "runtime/session/options.h"
#include "runtime/session/stages.h"
#include "runtime/session/state.h"

namespace altrt {
namespace {

using Views = std::map<std::string, TensorView>;

Shape fixed_shape(const Computation& c, const TensorDecl& tensor) {
  Shape shape;
  for (const Extent& extent : tensor.shape) {
    if (extent.is_symbolic()) {
      throw Error(ErrorCode::invalid_argument, "computation " + c.name + ": tensor '" + tensor.name +
                                                   "' has a symbolic extent: it can only be run by a session");
    }
    shape.push_back(extent.bound);
  }
  return shape;
}

bool is_given(const TensorDecl& tensor) { return tensor.role == Role::input || tensor.role == Role::constant; }

// The view of a tensor that the caller gives.
const TensorView& given(const Computation& c, const TensorDecl& tensor, const Views& inputs) {
  const std::string what = "tensor " + base::quoted(tensor.name) + " of computation " + c.name;
  const auto found = inputs.find(tensor.name);
  if (found == inputs.end()) throw Error(ErrorCode::invalid_argument, what + " is not given");
  const Shape shape = fixed_shape(c, tensor);
  session::check_view(found->second, {tensor.name, tensor.type, shape, {}}, what, false);
  return found->second;
}

void check_names(const Computation& c, const Views& inputs) {
  for (const auto& [name, view] : inputs) {
    const int tensor = c.find_tensor(name);
    if (tensor >= 0 && is_given(c.tensors[static_cast<size_t>(tensor)])) continue;
    throw Error(ErrorCode::invalid_argument, "computation " + c.name + " reads no tensor " + base::quoted(name));
  }
}

void copy_all(const jit::Permute& permute, const void* from, void* to) { permute.run(from, to, 0, permute.tasks()); }

// A compiled Computation with memory of its own for every tensor.
class Execution {
 public:
  explicit Execution(const jit::CompiledGroup& group)
      : group_(group), stored_(jit::resolve_store_at(group.computation, group.layouts)) {
    for (size_t t = 0; t < group.computation.tensors.size(); ++t) {
      const TensorDecl& tensor = group.computation.tensors[t];
      layouts_.push_back(stored_.layout(group.computation, static_cast<int>(t)));
      if (is_stored(t)) {
        buffers_.emplace_back();
        continue;
      }
      const Shape shape = fixed_shape(group.computation, tensor);
      const int64_t bytes = jit::Permute(tensor.type, shape, {}, layouts_.back()).bytes_to();
      buffers_.emplace_back(static_cast<size_t>(bytes) + base::kAlignment);
      buffers_.back().zero();
      if (layouts_.back().has_filled_padding()) {
        jit::fill_padding(tensor.type, shape, layouts_.back(), buffers_.back().data());
      }
    }
  }

  void read(const Views& inputs) {
    for (size_t t = 0; t < buffers_.size(); ++t) {
      const TensorDecl& tensor = group_.computation.tensors[t];
      if (!is_given(tensor)) continue;
      const TensorView& view = given(group_.computation, tensor, inputs);
      if (is_stored(t)) continue;
      copy_all(jit::Permute(tensor.type, view.shape, {}, layouts_[t]), view.data, buffers_[t].data());
      for (const int source : stored_.sources(static_cast<int>(t))) {
        const TensorDecl& other = group_.computation.tensors[static_cast<size_t>(source)];
        const TensorView& stored = given(group_.computation, other, inputs);
        jit::store_source(other.type, stored.shape, layouts_[static_cast<size_t>(source)], stored.data,
                          buffers_[t].data());
      }
    }
  }

  void run(const jit::GroupDecision& decision) {
    const auto loaded = jit::load(group_, decision, nullptr);
    const int64_t sizes[1] = {0};
    for (size_t k = 0; k < loaded.size(); ++k) {
      const jit::CompiledKernel& kernel = group_.kernels[k];
      std::vector<const void*> arguments;
      for (const int tensor : kernel.arguments) arguments.push_back(buffers_[static_cast<size_t>(tensor)].data());
      base::AlignedBuffer workspace(static_cast<size_t>(kernel.object.workspace_bytes));
      loaded[k]->function()(arguments.data(), sizes, workspace.data(), 0, kernel.tasks);
    }
  }

  std::map<std::string, Tensor> outputs() const {
    std::map<std::string, Tensor> result;
    for (size_t t = 0; t < buffers_.size(); ++t) {
      const TensorDecl& tensor = group_.computation.tensors[t];
      if (tensor.role != Role::output) continue;
      const Shape shape = fixed_shape(group_.computation, tensor);
      Tensor& output = result[tensor.name] = Tensor(tensor.type, shape);
      copy_all(jit::Permute(tensor.type, shape, layouts_[t], {}), buffers_[t].data(), output.data());
    }
    return result;
  }

 private:
  bool is_stored(size_t tensor) const { return stored_.memory[tensor] != static_cast<int>(tensor); }

  const jit::CompiledGroup& group_;
  const jit::StoredLayouts stored_;
  std::vector<Layout> layouts_;               // per tensor
  std::vector<base::AlignedBuffer> buffers_;  // empty for what is stored at another tensor
};

// One node of the operator and its operands.
graph::Graph graph_of(const CustomOperator& op, const std::vector<Operand>& inputs, const AttributeMap& attributes,
                      int outputs) {
  graph::Graph graph;
  graph.name = "instantiate";
  graph.opsets = {{"", 17}, {op.domain, 1}};
  graph.operators = ops::custom_operators({op});
  graph::Node node;
  node.name = op.type;
  node.type = op.type;
  node.domain = op.domain;
  node.attributes.values = attributes;
  for (const Operand& input : inputs) {
    graph::Value value{"in" + std::to_string(graph.values.size()), input.type, input.shape, {}, true, nullptr};
    if (input.data) value.data = std::shared_ptr<const Tensor>(std::shared_ptr<const Tensor>(), input.data);
    graph.values.push_back(std::move(value));
    node.inputs.push_back(static_cast<int>(graph.values.size()) - 1);
    graph.inputs.push_back(node.inputs.back());
  }
  for (int i = 0; i < outputs; ++i) {
    graph.values.emplace_back().name = "out" + std::to_string(i);
    node.outputs.push_back(static_cast<int>(graph.values.size()) - 1);
  }
  graph.outputs = node.outputs;
  graph.nodes.push_back(std::move(node));
  return graph;
}

}  // namespace

std::string nests(const Computation& c, const GroupDecision& decision) {
  const base::FloatEnvironment float_environment;
  verify(c);
  return jit::inspect(c, decision, {}, "nests");
}

std::map<std::string, Tensor> evaluate(const Computation& c, const Views& inputs) {
  const base::FloatEnvironment float_environment;
  verify(c);
  check_names(c, inputs);
  std::map<std::string, Tensor> outputs;
  std::vector<void*> buffers;
  for (const TensorDecl& tensor : c.tensors) {
    if (is_given(tensor)) {
      buffers.push_back(given(c, tensor, inputs).data);
    } else if (tensor.role == Role::output) {
      buffers.push_back((outputs[tensor.name] = Tensor(tensor.type, fixed_shape(c, tensor))).data());
    } else {
      fixed_shape(c, tensor);
      buffers.push_back(nullptr);
    }
  }
  jit::evaluate(c, buffers);
  return outputs;
}

std::map<std::string, Tensor> run(const Computation& c, const GroupDecision& decision, const Views& inputs) {
  const base::FloatEnvironment float_environment;
  verify(c);
  check_names(c, inputs);
  if (decision.provider != "own") {
    throw Error(ErrorCode::invalid_argument, "run: provider '" + decision.provider + "' runs in sessions only");
  }
  const jit::CompiledGroup group = jit::compile(c, decision, jit::host_target(), "altrt_run");
  Execution execution(group);
  execution.read(inputs);
  execution.run(decision);
  return execution.outputs();
}

std::vector<GroupInfo> inspect_groups(const Model& model, const SessionOptions& options) {
  const base::LogScope log_scope = session::log_to(options);
  const base::FloatEnvironment float_environment;
  session::check_options(options, model);
  const jit::Target target = session::shown_target(options);
  const graph::Graph graph =
      graph::simplify(session::graph_of(model, options.operators), options.input_shapes, options.dimensions);
  std::vector<graph::Group> groups = graph::form_groups(graph, graph::grouping_for(target));
  graph::Decisions decisions = session::choose_decisions(graph, groups, target, options);
  std::vector<GroupInfo> result;
  for (size_t g = 0; g < groups.size(); ++g) {
    result.push_back({groups[g].name, groups[g].ops, groups[g].host, std::move(groups[g].computation),
                      groups[g].host ? GroupDecision() : std::move(decisions[g])});
  }
  return result;
}

Computation instantiate(const CustomOperator& op, const std::vector<Operand>& inputs, const AttributeMap& attributes,
                        int outputs) {
  const base::FloatEnvironment float_environment;
  graph::Graph graph = graph_of(op, inputs, attributes, outputs);
  const graph::Node& node = graph.nodes.front();
  const NodeInfo info = graph.info(node);
  const ops::OpDef& definition = graph::definition(graph, node);
  const std::vector<ResultType> results = ops::infer(definition, info);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    graph::Value& value = graph.values[static_cast<size_t>(node.outputs[i])];
    value.type = results[i].type;
    value.shape = results[i].shape;
    value.shape_known = true;
  }
  ops::check_definition(info, graph::node_computation(info, definition, results));
  Computation computation = graph::compose(graph, {0}).computation;
  computation.name = op.type;
  return computation;
}

}  // namespace altrt
