// Every kind of fault that the code generator could leave in machine code is found by the gate.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include <cstdio>

#include "jit/loop/lower.h"
#include "tests/jit_cpu/ir_faults.h"
#include "tests/property/isolate.h"
#include "tests/tuner/groups.h"
#include "tuner/measure/gate.h"

namespace altrt::tuner {
namespace {

using property::Fate;

constexpr int kPerGroup = 8;

/// A group with what the gate needs. One thread: the faulty kernels run in forked processes.
class Subject {
 public:
  Subject(const Model& model, size_t task)
      : groups_(model, target_),
        task_(groups_.tasks.at(task)),
        bench_(exact_data(*task_.computation, false, 3), team_),
        gate_(*task_.computation, target_, bench_, team_) {
    group_ = jit::compile(*task_.computation, task_.initial, target_, "altrt_gate");
    kernels_ = jit::lower(*task_.computation, task_.initial.layouts, task_.initial.schedule);
  }
  std::string check(const jit::CompiledGroup& group) {
    const Candidate candidate = load(task_.initial, group);
    Bound bound = bench_.bind(candidate.group, candidate.loaded);
    const std::string fault = gate_.check(candidate, bound, 1e9, [] { return false; }).fault;
    return fault.empty() ? gate_.check_nan(candidate, bound) : fault;
  }
  const jit::CompiledGroup& group() const { return group_; }
  const jit::Computation& computation() const { return *task_.computation; }
  /// The group with a fault in one of its kernels; absent if there is no place for it.
  std::optional<jit::CompiledGroup> damaged(const std::string& fault, property::Random& random) const {
    jit::CompiledGroup group = group_;
    const auto k = static_cast<size_t>(random.in(0, static_cast<int64_t>(kernels_.size()) - 1));
    jit::Nest nest = kernels_[k].nest;
    nest.name = "altrt_damaged";
    std::optional<jit::KernelObject> object = jit::compile_with_fault(fault, nest, target_, random);
    if (!object) return std::nullopt;
    group.kernels[k].object = std::move(*object);
    return group;
  }

 private:
  const jit::Target target_ = jit::host_target();
  const Groups groups_;
  const Task& task_;
  base::Team team_{1};
  Bench bench_;
  Gate gate_;
  jit::CompiledGroup group_;
  std::vector<jit::LoweredKernel> kernels_;
};

/// Convolutions with and without tails and groups, a pool, a matrix product, rows.
std::vector<std::unique_ptr<Subject>> subjects() {
  std::vector<std::unique_ptr<Subject>> all;
  all.push_back(std::make_unique<Subject>(conv_model({1, 16, 9, 11}, {32, 16, 3, 3}, 1, 1), 0));
  all.push_back(std::make_unique<Subject>(conv_model({1, 3, 13, 13}, {20, 3, 3, 3}, 2, 1), 0));
  all.push_back(std::make_unique<Subject>(conv_model({1, 24, 9, 7}, {24, 1, 3, 3}, 1, 24), 0));
  all.push_back(std::make_unique<Subject>(pool_model(), 1));
  all.push_back(std::make_unique<Subject>(matmul_model(13, 21, 37), 0));
  all.push_back(std::make_unique<Subject>(softmax_model(), 0));
  return all;
}

class GateFaults : public testing::TestWithParam<std::string> {};

TEST_P(GateFaults, AreFound) {
  int injected = 0, wrong = 0, died = 0;
  for (const std::unique_ptr<Subject>& subject : subjects()) {
    ASSERT_EQ(subject->check(subject->group()), "");
    for (int k = 0; k < kPerGroup; ++k) {
      property::Random random(static_cast<uint64_t>(k));
      const std::optional<jit::CompiledGroup> group = subject->damaged(GetParam(), random);
      if (!group) continue;
      ++injected;
      const Fate fate = property::isolated([&] { return subject->check(*group).empty(); }, 20);
      wrong += fate == Fate::wrong;
      died += fate == Fate::died;
    }
  }
  std::printf("%-24s %2d of %2d found: %d by results, %d by guard pages or traps\n", GetParam().c_str(), wrong + died,
              injected, wrong, died);
  EXPECT_GE(injected, kPerGroup);
  // Some changes are none, and memory may be aligned by chance.
  EXPECT_GE(wrong + died, GetParam() == "false alignment" ? 1 : injected / 3);
  EXPECT_GE(wrong + died, 1);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name;
  for (const char c : info.param) name += std::isalpha(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Kinds, GateFaults, testing::ValuesIn(jit::ir_faults()), test_name);

/// Constants packed for another layout than the code was made for.
TEST(Gate, StalePackingIsFound) {
  Subject subject(conv_model({1, 16, 9, 11}, {32, 16, 3, 3}, 1, 1), 0);
  jit::CompiledGroup group = subject.group();
  const jit::Computation& c = subject.computation();
  jit::Layout& layout = group.layouts[c.tensors[static_cast<size_t>(c.anchor.weights)].name];
  ASSERT_EQ(layout.steps.back().kind, jit::LayoutKind::reorder);
  std::vector<int64_t>& order = layout.steps.back().factors;
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  EXPECT_NE(subject.check(group).find("wrong result"), std::string::npos);
}

}  // namespace
}  // namespace altrt::tuner
