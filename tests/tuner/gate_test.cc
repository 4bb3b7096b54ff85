// The gate finds kernels that are wrong.
#include "tuner/measure/gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "groups.h"
#include "jit/compile/templates.h"
#include "jit/cpu/cpu.h"
#include "jit/loop/lower.h"

namespace altrt::tuner {
namespace {

class GateTest : public ::testing::Test {
 protected:
  GateTest()
      : target_(jit::host_target()),
        groups_(conv_model({1, 16, 9, 11}, {32, 16, 3, 3}, 1, 1), target_),
        task_(groups_.tasks[0]),
        team_(2),
        bench_(exact_data(*task_.computation, false, 3), team_),
        gate_(*task_.computation, target_, bench_, team_) {}

  std::string check(const Candidate& candidate) {
    Bound bound = bench_.bind(candidate.group, candidate.loaded);
    return gate_.check(candidate, bound, 1e9, [] { return false; }).fault;
  }
  jit::CompiledGroup compiled() const { return jit::compile(*task_.computation, task_.initial, target_, "altrt_gate"); }
  /// The kernel after `damage` of its nest.
  template <typename Damage>
  Candidate damaged(Damage damage) {
    std::vector<jit::LoweredKernel> kernels =
        jit::lower(*task_.computation, task_.initial.layouts, task_.initial.schedule);
    kernels[0].nest.name = "altrt_damaged";
    damage(kernels[0].nest);
    jit::CompiledGroup group = compiled();
    group.kernels[0].object = jit::cpu::compile(kernels[0].nest, target_);
    return load(task_.initial, std::move(group));
  }

  const jit::Target target_;
  const Groups groups_;
  const Task& task_;
  base::Team team_;
  Bench bench_;
  Gate gate_;
};

// Applies `change` to the first statement that it accepts.
template <typename Change>
bool change_first(std::vector<jit::Stmt>& body, Change change) {
  for (jit::Stmt& stmt : body) {
    if (change(stmt) || change_first(stmt.body, change) || change_first(stmt.otherwise, change)) return true;
  }
  return false;
}

TEST_F(GateTest, TheDefaultPasses) { EXPECT_EQ(check(load(task_.initial, compiled())), ""); }

TEST_F(GateTest, SwappedLayoutOfWeights) {
  jit::CompiledGroup group = compiled();
  const std::string weights = task_.computation->tensors[static_cast<size_t>(task_.computation->anchor.weights)].name;
  jit::Layout& layout = group.layouts[weights];
  ASSERT_EQ(layout.steps.back().kind, jit::LayoutKind::reorder);
  std::vector<int64_t>& order = layout.steps.back().factors;
  std::swap(order[order.size() - 1], order[order.size() - 2]);  // blocks of 16 by 16: the same size
  EXPECT_NE(check(load(task_.initial, std::move(group))).find("wrong result"), std::string::npos);
}

TEST_F(GateTest, DroppedTail) {
  const Candidate candidate = damaged([](jit::Nest& nest) {
    ASSERT_GT(nest.parallel.size(), 0u);
    ASSERT_TRUE(change_first(nest.body, [](jit::Stmt& stmt) {
      if (stmt.kind != jit::StmtKind::loop || stmt.loop != jit::LoopKind::serial || !stmt.extent.is_int() ||
          stmt.extent.get()->int_value < 2) {
        return false;
      }
      stmt.extent = jit::Expr(stmt.extent.get()->int_value - 1);
      return true;
    }));
  });
  EXPECT_NE(check(candidate).find("wrong result"), std::string::npos);
}

TEST_F(GateTest, FewerTasks) {
  jit::CompiledGroup group = compiled();
  --group.kernels[0].tasks;
  EXPECT_NE(check(load(task_.initial, std::move(group))).find("wrong result"), std::string::npos);
}

TEST_F(GateTest, WritesToPadding) {
  // The output has a border as far as the candidate says, which its kernel doesn't know of.
  jit::CompiledGroup group = compiled();
  const std::string output =
      task_.computation->tensors[static_cast<size_t>(task_.computation->with_role(jit::Role::output)[0])].name;
  group.layouts[output].pad(2, 0, 1, 0.0);
  const std::string fault = check(load(task_.initial, std::move(group)));
  EXPECT_FALSE(fault.empty());
}

/// A bias that lies behind its weights.
class StoredBias : public ::testing::TestWithParam<bool> {
 protected:
  StoredBias()
      : groups_(GetParam() ? conv_model({1, 16, 9, 11}, {32, 16, 3, 3}, 1, 1) : matmul_model(13, 21, 90), target_),
        task_(groups_.tasks[0]),
        bench_(exact_data(*task_.computation, false, 3), team_),
        gate_(*task_.computation, target_, bench_, team_),
        decision_(task_.initial) {
    decision_.layouts = jit::with_bias_at_weights(*task_.computation, decision_.layouts).layouts.value();
  }
  std::string check(jit::CompiledGroup group) {
    const Candidate candidate = load(decision_, std::move(group));
    Bound bound = bench_.bind(candidate.group, candidate.loaded);
    return gate_.check(candidate, bound, 1e9, [] { return false; }).fault;
  }
  jit::CompiledGroup compiled(const jit::GroupDecision& decision) const {
    return jit::compile(*task_.computation, decision, target_, "altrt_gate");
  }
  std::string bias() const {
    for (const auto& [name, layout] : decision_.layouts) {
      if (!layout.is_plain() && layout.steps.back().kind == jit::LayoutKind::store_at) return name;
    }
    return "";
  }

  const jit::Target target_ = jit::host_target();
  const Groups groups_;
  const Task& task_;
  base::Team team_{2};
  Bench bench_;
  Gate gate_;
  jit::GroupDecision decision_;
};

TEST_P(StoredBias, PassesBesideTheOneWithout) {
  EXPECT_EQ(check(compiled(decision_)), "");
  EXPECT_EQ(check(compiled(task_.initial)), "") << "the weights alone have a memory of their own";
  EXPECT_EQ(check(compiled(decision_)), "");
}

TEST_P(StoredBias, StalePackingIsFound) {
  // In another order than the code reads it.
  jit::CompiledGroup group = compiled(decision_);
  std::vector<jit::LayoutStep>& steps = group.layouts.at(bias()).steps;
  const auto split = std::find_if(steps.begin(), steps.end(),
                                  [](const jit::LayoutStep& step) { return step.kind == jit::LayoutKind::split; });
  ASSERT_NE(split, steps.end());
  const int64_t block = split->factors.back();
  split->factors = {0, GetParam() ? 32 / block : 96 / block};
  jit::LayoutStep turned;
  turned.factors = {1, 0};
  steps.insert(split + 1, turned);
  EXPECT_NE(check(std::move(group)).find("wrong result"), std::string::npos);
  // Not packed at all: zeros lie where the code reads it.
  group = compiled(decision_);
  const jit::LayoutStep& stored = decision_.layouts.at(bias()).steps.back();
  group.layouts[stored.host].pad(stored.dim, 0, 1, 0.0);
  group.layouts.erase(bias());
  EXPECT_NE(check(std::move(group)).find("wrong result"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StoredBias, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "conv" : "matmul"; });

TEST(ExactData, OrderOfSummationDoesNotMatterForIntegersOnly) {
  const jit::Target target = jit::host_target();
  const Groups conv(conv_model({1, 16, 5, 5}, {16, 16, 3, 3}, 1, 1), target), soft(softmax_model(), target);
  EXPECT_TRUE(is_exact(*conv.tasks[0].computation));
  EXPECT_FALSE(is_exact(*soft.tasks[0].computation));
}

// A term that is 0, or a multiple of 16 where stand-ins fold sums, hides that it is missing; equal elements hide that
// one was taken for another. Groups that Strassen's algorithm fits have larger sums, of which tables are factors.
TEST(ExactData, NoElementHides) {
  const jit::Target target = jit::host_target();
  for (const Model& model : {matmul_model(13, 21, 37), conv_model({1, 3, 13, 13}, {30, 3, 3, 3}, 2, 1)}) {
    const Groups groups(model, target);
    const jit::Computation& c = *groups.tasks[0].computation;
    for (const auto& [name, tensor] : exact_data(c, false, 1)) {
      const bool is_weights = c.find_tensor(name) == c.anchor.weights;
      std::set<float> values(tensor.as<float>(), tensor.as<float>() + element_count(tensor.shape()));
      for (const float value : values) {
        EXPECT_NE(std::fmod(value, 8.0F), 0) << name;
        EXPECT_NE(std::fmod(value - 1, 8.0F), 0) << name;
        EXPECT_LE(std::abs(value), is_weights ? 3 : 1023) << name;
      }
      EXPECT_GE(values.size(),
                std::min<size_t>(is_weights ? 4 : 20, static_cast<size_t>(element_count(tensor.shape()))))
          << name;
    }
  }
}

TEST(ExactData, RelativeError) {
  Tensor a(DataType::f32, {2}), b(DataType::f32, {2});
  a.as<float>()[0] = 3, b.as<float>()[0] = 3;
  EXPECT_EQ(relative_error(a, b), 0);
  a.as<float>()[1] = 0.3f;
  EXPECT_NEAR(relative_error(a, b), 0.1, 1e-6);
  a.as<float>()[1] = NAN;
  EXPECT_TRUE(std::isinf(relative_error(a, b)));
  b.as<float>()[1] = NAN;
  EXPECT_EQ(relative_error(a, b), 0);
}

}  // namespace
}  // namespace altrt::tuner
