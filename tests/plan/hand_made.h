// Plans from kernels written by hand: the plan's own work without a compiler.
#pragma once

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/plan/build.h"
#include "runtime/plan/runner.h"

namespace altrt::plan {

// All values of a hand-made graph have this shape.
inline constexpr int64_t kRows = 4, kColumns = 10, kElements = kRows * kColumns;
inline const Shape kShape{kRows, kColumns};

class HandMadeKernel : public jit::LoadedKernel {
 public:
  explicit HandMadeKernel(jit::KernelFunction function) : function_(function) {}
  jit::KernelFunction function() const override { return function_; }

 private:
  jit::KernelFunction function_;
};

inline jit::Layout transposed() {
  jit::Layout layout;
  layout.reorder({1, 0});
  return layout;
}

// Columns 2 to 11 of 12 hold the elements, column 0 and 1 hold 7.
inline jit::Layout padded() {
  jit::Layout layout;
  layout.pad(1, 2, 0, 7.0);
  return layout;
}

// A graph whose groups each read some values and write one, all f32 of kShape.
class HandMade {
 public:
  struct Use {
    int value = -1;
    jit::Layout layout;
  };

  int add_value(const std::string& name) {
    graph::Value value;
    value.name = name;
    value.shape = kShape;
    value.shape_known = true;
    graph_->values.push_back(value);
    return static_cast<int>(graph_->values.size()) - 1;
  }
  int add_input(const std::string& name) {
    graph_->inputs.push_back(add_value(name));
    return graph_->inputs.back();
  }
  // Holds 0, 1, 2, ... times the factor.
  int add_constant(const std::string& name, const Shape& shape = kShape, float factor = 1) {
    Tensor data(DataType::f32, shape);
    for (int64_t i = 0; i < element_count(shape); ++i) data.as<float>()[i] = static_cast<float>(i) * factor;
    const int value = add_value(name);
    graph_->values.back().shape = shape;
    graph_->values.back().data = std::make_shared<const Tensor>(std::move(data));
    return value;
  }
  void add_output(int value) { graph_->outputs.push_back(value); }

  // A group of one kernel: function(inputs..., output). Tensors are named t0, t1, ...; those that are stored at another
  // one are no arguments.
  int add_group(const std::vector<Use>& reads, const jit::Layout& layout, jit::KernelFunction function,
                int64_t tasks = 1) {
    const int written = add_value("v" + std::to_string(graph_->values.size()));
    graph::Node node;
    node.name = "node" + std::to_string(graph_->nodes.size());
    node.outputs = {written};
    for (const Use& use : reads) node.inputs.push_back(use.value);
    graph::Group group;
    group.name = group.ops = node.name;
    group.nodes = {static_cast<int>(graph_->nodes.size())};
    graph_->nodes.push_back(node);

    auto compiled = std::make_shared<jit::CompiledGroup>();
    jit::CompiledKernel kernel;
    kernel.object.name = node.name;
    kernel.tasks = tasks;
    const auto add_argument = [&](int value, const jit::Layout& at, jit::Role role) {
      const Shape& shape = graph_->values[static_cast<size_t>(value)].shape;
      jit::TensorDecl decl{
          "t" + std::to_string(group.tensor_values.size()), DataType::f32, {shape.begin(), shape.end()}, role};
      if (!at.is_plain()) compiled->layouts[decl.name] = at;
      const int tensor = group.computation.add_tensor(decl);
      group.tensor_values.push_back(value);
      if (!at.is_plain() && at.steps.back().kind == jit::LayoutKind::store_at) return;
      kernel.arguments.push_back(tensor);
      kernel.written.push_back(role == jit::Role::output);
    };
    for (const Use& use : reads) {
      const bool constant = graph_->values[static_cast<size_t>(use.value)].is_constant();
      add_argument(use.value, use.layout, constant ? jit::Role::constant : jit::Role::input);
    }
    add_argument(written, layout, jit::Role::output);
    compiled->computation = group.computation;
    compiled->kernels.push_back(std::move(kernel));
    decisions_.push_back({"own", "direct", compiled->layouts, {}});
    groups_.push_back(std::move(group));
    code_.push_back({nullptr, std::move(compiled), {std::make_shared<HandMadeKernel>(function)}});
    return written;
  }

  Plan build(WeightStore& store, base::Team& team, std::shared_ptr<jit::Device> device = nullptr,
             std::shared_ptr<Conversions> conversions = nullptr) {
    PlanInput input{graph_, groups_, decisions_, code_, std::move(device), std::move(conversions)};
    for (size_t g = 0; g < input.code.size(); ++g) input.code[g].source = &groups_[g].computation;
    return build_plan(std::move(input), store, team);
  }
  std::vector<GroupCode>& code() { return code_; }

 private:
  std::shared_ptr<graph::Graph> graph_ = std::make_shared<graph::Graph>();
  std::vector<graph::Group> groups_;
  graph::Decisions decisions_;
  std::vector<GroupCode> code_;
};

// out = a + 1 over `count` physical elements, whatever their order.
inline void add_one(const void* const* buffers, const int64_t*, void*, int64_t, int64_t) {
  const auto* in = static_cast<const float*>(buffers[0]);
  auto* out = static_cast<float*>(const_cast<void*>(buffers[1]));
  for (int64_t i = 0; i < kElements; ++i) out[i] = in[i] + 1;
}
inline void add(const void* const* buffers, const int64_t*, void*, int64_t, int64_t) {
  const auto* a = static_cast<const float*>(buffers[0]);
  const auto* b = static_cast<const float*>(buffers[1]);
  auto* out = static_cast<float*>(const_cast<void*>(buffers[2]));
  for (int64_t i = 0; i < kElements; ++i) out[i] = a[i] + b[i];
}
// Row-major in, padded() out: leaves the padding alone.
inline void add_one_into_padded(const void* const* buffers, const int64_t*, void*, int64_t, int64_t) {
  const auto* in = static_cast<const float*>(buffers[0]);
  auto* out = static_cast<float*>(const_cast<void*>(buffers[1]));
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t c = 0; c < kColumns; ++c) out[r * (kColumns + 2) + c + 2] = in[r * kColumns + c] + 1;
  }
}
// padded() in, row-major out: each element plus the row's first padding element.
inline void add_padding(const void* const* buffers, const int64_t*, void*, int64_t, int64_t) {
  const auto* in = static_cast<const float*>(buffers[0]);
  auto* out = static_cast<float*>(const_cast<void*>(buffers[1]));
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t c = 0; c < kColumns; ++c) {
      out[r * kColumns + c] = in[r * (kColumns + 2) + c + 2] + in[r * (kColumns + 2)];
    }
  }
}

// x and rows of one more than its own in, row-major out: each element plus its own and the last row's.
inline void add_with_row(const void* const* buffers, const int64_t*, void*, int64_t, int64_t) {
  const auto* x = static_cast<const float*>(buffers[0]);
  const auto* joint = static_cast<const float*>(buffers[1]);
  auto* out = static_cast<float*>(const_cast<void*>(buffers[2]));
  for (int64_t i = 0; i < kElements; ++i) out[i] = x[i] + joint[i] + joint[kElements + i % kColumns];
}

inline int count(const Plan& plan, StepKind kind) {
  int steps = 0;
  for (const Step& step : plan.steps) steps += step.kind == kind;
  return steps;
}

// Runs the plan on inputs that hold 0, 1, 2, ... (times number + 1) and returns its outputs.
inline std::vector<std::vector<float>> run(const Plan& plan, base::Team& team, int runs = 1) {
  std::vector<std::vector<float>> inputs, outputs;
  std::vector<Address> in, out;
  for (size_t i = 0; i < plan.graph->inputs.size(); ++i) {
    inputs.emplace_back();
    for (int64_t e = 0; e < kElements; ++e) inputs.back().push_back(static_cast<float>(e) * static_cast<float>(i + 1));
  }
  for (size_t o = 0; o < plan.graph->outputs.size(); ++o) outputs.emplace_back(kElements, -1e9f);
  for (auto& values : inputs) in.push_back({values.data()});
  for (auto& values : outputs) out.push_back({values.data()});
  const std::unique_ptr<Runner> runner = make_runner(std::make_shared<const Plan>(plan), team.threads());
  runner->bind(in, out);
  for (int i = 0; i < runs; ++i) {
    base::Team::Lease lease(team);
    runner->run(lease);
  }
  return outputs;
}

}  // namespace altrt::plan
