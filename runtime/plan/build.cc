#include "runtime/plan/build.h"

#include <algorithm>
#include <utility>

#include "jit/expr/bound_shape.h"
#include "runtime/base/deferred.h"
#include "runtime/base/hash.h"
#include "runtime/graph/operators.h"
#include "runtime/plan/builder.h"

namespace altrt::plan {
namespace {

// Work below this, for each worker, is done by one thread; no more than that is ever left to one.
constexpr double kSharedWorkUs = 4, kMostAloneUs = 20;
// Cautious speeds of one thread, for that question only.
constexpr double kFlopsPerUs = 40e3, kBytesPerUs = 8e3;

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::internal, "plan: " + message); }

// The graph without the data of constants that no host operator reads: their packed forms are enough.
std::shared_ptr<const graph::Graph> without_weights(const graph::Graph& graph,
                                                    const std::vector<graph::Group>& groups) {
  std::vector<bool> keep(graph.values.size(), false);
  for (const graph::Group& group : groups) {
    if (!group.host) continue;
    for (const int input : graph.nodes[static_cast<size_t>(group.nodes.front())].inputs) {
      if (input >= 0) keep[static_cast<size_t>(input)] = true;
    }
  }
  auto light = std::make_shared<graph::Graph>(graph);
  static const auto empty = std::make_shared<const Tensor>();
  for (size_t v = 0; v < keep.size(); ++v) {
    if (light->values[v].is_constant() && !keep[v]) light->values[v].data = empty;
  }
  return light;
}

size_t constant_bytes(const graph::Graph& graph) {
  size_t bytes = 0;
  for (const graph::Value& value : graph.values) {
    if (value.is_constant()) bytes += value.data->bytes();
  }
  return bytes;
}

// Of one constant that is not in memory, with slack.
size_t most_deferred_bytes(const graph::Graph& graph) {
  size_t bytes = 0;
  for (const graph::Value& value : graph.values) {
    if (!value.is_constant() || !base::deferred_bytes(*value.data)) continue;
    bytes = std::max(bytes, static_cast<size_t>(buffer_bytes(value.type, value.shape, {})));
  }
  return bytes;
}

}  // namespace

bool is_shared(int64_t tasks, int64_t flops, int64_t bytes, int workers) {
  const double us = static_cast<double>(flops) / kFlopsPerUs + static_cast<double>(bytes) / kBytesPerUs;
  return tasks > 1 && us >= std::min(kSharedWorkUs * workers, kMostAloneUs);
}

Builder::Builder(PlanInput input, WeightStore& weights, base::Team& team)
    : input_(std::move(input)),
      graph_(*input_.graph),
      weights_(weights),
      team_(team),
      scratch_(most_deferred_bytes(graph_)) {
  if (input_.device) {
    plan_.device = input_.device;
    stream_ = input_.device->make_stream();
    // A constant holds its device, so that no other one has the address while the constant lives.
    place_ = "device " + base::hex(reinterpret_cast<uintptr_t>(input_.device.get())) + " ";
    if (!input_.conversions) input_.conversions = std::make_shared<Conversions>(input_.device);
  }
  instances_.resize(graph_.values.size());
  outputs_of_.resize(graph_.values.size());
  for (size_t i = 0; i < graph_.inputs.size(); ++i) {
    instances_[static_cast<size_t>(graph_.inputs[i])].push_back({{}, {Place::input, static_cast<int64_t>(i)}});
  }
  for (size_t i = 0; i < graph_.outputs.size(); ++i) {
    outputs_of_[static_cast<size_t>(graph_.outputs[i])].push_back(static_cast<int>(i));
  }
  if (!input_.device) constants_ = base::BufferPool(constant_bytes(graph_));
}

Plan Builder::build() {
  const size_t groups = input_.groups.size();
  if (input_.decisions.size() != groups || input_.code.size() != groups) fail("groups, decisions and code differ");
  plan_.graph = without_weights(graph_, input_.groups);
  for (size_t g = 0; g < groups; ++g) add_group(static_cast<int>(g));
  // Outputs that no group writes: model inputs and constants.
  for (const int output : graph_.outputs) add_outputs_of(output);
  drop_unused_constants();
  assign_memory();
  if (!input_.device) share_steps();
  for (const Step& step : plan_.steps) plan_.workspace_bytes = std::max(plan_.workspace_bytes, step.workspace_bytes);
  plan_.groups = std::move(input_.groups);
  plan_.decisions = std::move(input_.decisions);
  return std::move(plan_);
}

void Builder::add_group(int group) {
  const graph::Group& g = input_.groups[static_cast<size_t>(group)];
  if (g.host) {
    add_host(group);
  } else {
    add_kernels(group);
  }
  for (const int node : g.nodes) {
    for (const int output : graph_.nodes[static_cast<size_t>(node)].outputs) {
      if (output >= 0 && !instances_[static_cast<size_t>(output)].empty()) add_outputs_of(output);
    }
  }
}

// Brings a value that exists to every model output that it is bound to and does not lie in already.
void Builder::add_outputs_of(int number) {
  std::vector<Instance>& instances = instances_[static_cast<size_t>(number)];
  for (const int output : outputs_of_[static_cast<size_t>(number)]) {
    const Location place{Place::output, output};
    const auto there = [&](const Instance& instance) { return instance.location == place; };
    if (std::any_of(instances.begin(), instances.end(), there)) continue;
    if (instances.empty()) read(number, {});  // a constant
    convert(number, instances.front(), place, {});
    instances.push_back({{}, place});
  }
}

void Builder::add_report(int group) {
  const graph::Group& g = input_.groups[static_cast<size_t>(group)];
  const jit::GroupDecision& decision = input_.decisions[static_cast<size_t>(group)];
  KernelInfo info;
  info.name = g.name;
  info.op = g.ops;
  info.provider = g.host ? "host" : decision.provider;
  info.algorithm = g.host ? "host" : decision.algorithm;
  info.flops = g.flops;
  for (size_t t = 0; t < g.computation.tensors.size(); ++t) {
    const jit::TensorDecl& tensor = g.computation.tensors[t];
    if (tensor.role == jit::Role::intermediate) continue;
    info.bytes += element_count(jit::bound_shape(tensor.shape)) * static_cast<int64_t>(size_of(tensor.type));
    if (tensor.role == jit::Role::output && info.layout.empty()) {
      const auto layout = decision.layouts.find(tensor.name);
      info.layout = layout == decision.layouts.end() ? "plain" : jit::to_string(layout->second);
    }
  }
  if (info.layout.empty()) info.layout = "plain";
  plan_.kernels.push_back(std::move(info));
}

int Builder::value_of(const Binding& binding, int tensor) const {
  const std::string& name = binding.code->compiled->computation.tensors[static_cast<size_t>(tensor)].name;
  const int source = binding.code->source->find_tensor(name);
  if (source < 0) return -1;
  const std::vector<int>& values = input_.groups[static_cast<size_t>(binding.group)].tensor_values;
  return static_cast<size_t>(source) < values.size() ? values[static_cast<size_t>(source)] : -1;
}

// The constant that a tensor of a compiled group is.
int Builder::constant_of(const Binding& binding, int tensor) const {
  const int number = value_of(binding, tensor);
  if (number < 0 || !value(number).is_constant()) {
    fail("tensor '" + binding.code->compiled->computation.tensors[static_cast<size_t>(tensor)].name + "' of group '" +
         input_.groups[static_cast<size_t>(binding.group)].name + "' shares a memory and is no constant of the graph");
  }
  return number;
}

// Where a tensor of a compiled group lies; decided when the first kernel that uses it asks.
Location Builder::place_of(Binding& binding, int tensor, bool constant) {
  const auto known = binding.places.find(tensor);
  if (known != binding.places.end()) return known->second;
  const jit::CompiledGroup& compiled = *binding.code->compiled;
  const jit::TensorDecl& decl = compiled.computation.tensors[static_cast<size_t>(tensor)];
  const jit::Layout layout = binding.stored.layout(compiled.computation, tensor);
  const std::vector<int> sources = binding.stored.sources(tensor);
  const int number = value_of(binding, tensor);
  const std::string& group = input_.groups[static_cast<size_t>(binding.group)].name;
  Location place;
  if (decl.role == jit::Role::input || decl.role == jit::Role::constant) {
    if (number < 0) fail("group '" + group + "' reads tensor '" + decl.name + "', which is no value of the graph");
    place = sources.empty() ? read(number, layout) : packed_together(binding, tensor, sources);
  } else if (constant) {
    fail("group '" + group + "': a constant kernel reads '" + decl.name + "', which is not constant");
  } else if (decl.role == jit::Role::output && number >= 0) {
    place = write(number, layout);
  } else {
    place = new_storage(group + ":" + decl.name, decl.type, jit::bound_shape(decl.shape), layout,
                        layout.has_filled_padding());
  }
  binding.places.emplace(tensor, place);
  return place;
}

void Builder::add_kernels(int group) {
  Binding binding;
  binding.group = group;
  binding.code = &input_.code[static_cast<size_t>(group)];
  if (!binding.code->compiled || !binding.code->source) fail("group without code");
  const std::vector<jit::CompiledKernel>& kernels = binding.code->compiled->kernels;
  binding.stored = jit::resolve_store_at(binding.code->compiled->computation, binding.code->compiled->layouts);
  if (kernels.size() != binding.code->loaded.size()) fail("group whose kernels are not all loaded");
  for (size_t k = 0; k < kernels.size(); ++k) {
    if (kernels[k].constant) run_constant_kernel(binding, static_cast<int>(k));
  }
  for (const jit::CompiledKernel& kernel : kernels) {
    if (kernel.constant) continue;
    for (const int tensor : kernel.arguments) place_of(binding, tensor, false);
  }
  add_report(group);
  for (size_t k = 0; k < kernels.size(); ++k) {
    if (!kernels[k].constant) add_kernel(binding, static_cast<int>(k));
  }
}

void Builder::add_kernel(Binding& binding, int k) {
  const jit::CompiledGroup& compiled = *binding.code->compiled;
  const jit::CompiledKernel& kernel = compiled.kernels[static_cast<size_t>(k)];
  Step step;
  step.kind = StepKind::kernel;
  step.report = static_cast<int>(plan_.kernels.size()) - 1;
  step.name = kernel.object.name;
  step.loaded = binding.code->loaded[static_cast<size_t>(k)];
  step.function = step.loaded->function();
  step.tasks = kernel.tasks;
  step.workspace_bytes = kernel.object.workspace_bytes;
  SharedStep shared;
  shared.loops = kernel.loops;
  int64_t bytes = 0;
  step.written = kernel.written;
  for (const int tensor : kernel.arguments) {
    const jit::TensorDecl& decl = compiled.computation.tensors[static_cast<size_t>(tensor)];
    step.arguments.push_back(binding.places.at(tensor));
    const int64_t size = element_count(jit::bound_shape(decl.shape)) * static_cast<int64_t>(size_of(decl.type));
    shared.arguments.push_back({.bytes = size});
    bytes += size;
  }
  if (const void* state = step.loaded->state()) {
    step.arguments.push_back(new_constant(Constant(step.loaded, state)));
    step.written.push_back(false);
  }
  step.parallel = is_shared(step.tasks, kernel.flops, bytes, team_.threads());
  add_step(std::move(step), std::move(shared));
}

void Builder::share_steps() {
  for (size_t s = 0; s < shared_.size(); ++s) {
    const Step& step = plan_.steps[s];
    SharedStep& shared = shared_[s];
    shared.tasks = step.tasks;
    shared.parallel = step.parallel;
    shared.arguments.resize(step.arguments.size());
    for (size_t a = 0; a < step.arguments.size(); ++a) {
      SharedStep::Argument& argument = shared.arguments[a];
      argument.written = step.written[a];
      argument.constant = step.arguments[a].place == Place::constant;
      if (step.arguments[a].place != Place::arena) continue;
      argument.tensor = step.arguments[a].index;
      if (argument.bytes == 0) argument.bytes = plan_.storages[static_cast<size_t>(argument.tensor)].bytes;
    }
  }
  const std::vector<int64_t> inner = share(shared_, team_.threads());
  for (size_t s = 0; s < inner.size(); ++s) plan_.steps[s].inner = inner[s];
}

void Builder::add_host(int group) {
  // The plan's own graph: the call keeps pointers to its attributes and constants.
  const auto number = static_cast<size_t>(input_.groups[static_cast<size_t>(group)].nodes.front());
  const graph::Node& node = plan_.graph->nodes[number];
  const ops::OpDef& op = graph::definition(graph_, node);
  if (!op.host) fail("'" + node.name + "' (" + node.type + ") is no host operator");
  auto call = std::make_shared<HostCall>();
  call->info = plan_.graph->info(node);
  call->function = op.host;
  call->inputs = node.inputs.size();
  Step step;
  step.kind = StepKind::host;
  step.name = node.name.empty() ? node.type : node.name;
  step.parallel = false;
  const auto add_view = [&](int number, bool writes) {
    call->argument_of_view.push_back(number < 0 ? -1 : static_cast<int>(step.arguments.size()));
    call->views.emplace_back();
    if (number < 0) return;
    call->views.back().type = value(number).type;
    call->views.back().shape = value(number).shape;
    step.arguments.push_back(writes ? write(number, {}) : read_on_host(number));
    step.written.push_back(writes);
  };
  for (const int input : node.inputs) {
    if (input >= 0 && value(input).is_constant()) value(input).data->data();  // the call may ask for it in any run
    add_view(input, false);
  }
  add_report(group);
  step.report = static_cast<int>(plan_.kernels.size()) - 1;
  for (const int output : node.outputs) add_view(output, true);
  add_unasked_outputs(op, *call, step);
  step.host = std::move(call);
  add_step(std::move(step));
}

// Host functions write all their outputs: memory for those that nobody asked for.
void Builder::add_unasked_outputs(const ops::OpDef& op, HostCall& call, Step& step) {
  const std::vector<ops::ResultType> results = op.infer(call.info);
  for (size_t i = call.inputs; i < call.views.size(); ++i) {
    const size_t output = i - call.inputs;
    if (call.argument_of_view[i] >= 0 || output >= results.size()) continue;
    call.argument_of_view[i] = static_cast<int>(step.arguments.size());
    call.views[i].type = results[output].type;
    call.views[i].shape = results[output].shape;
    step.arguments.push_back(new_storage(step.name, results[output].type, results[output].shape, {}, false));
    step.written.push_back(true);
  }
}

Plan build_plan(PlanInput input, WeightStore& weights, base::Team& team) {
  Plan plan = Builder(std::move(input), weights, team).build();
  verify(plan);
  return plan;
}

}  // namespace altrt::plan
