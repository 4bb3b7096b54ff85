// Every kind of fault that the code generator could leave in machine code is found by the gate.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>

#include "jit/cpu/cpu.h"
#include "jit/loop/lower.h"
#include "tests/jit_cpu/ir_faults.h"
#include "tests/property/findings.h"
#include "tests/property/isolate.h"
#include "tests/property/random.h"
#include "tests/tuner/groups.h"
#include "tuner/measure/gate.h"

namespace altrt::tuner {
namespace {

using property::Fate;

constexpr int kWanted = 30;    // faults of each kind
constexpr int kDataSets = 16;  // on which what may be no fault agrees with the right code
constexpr double kRounding = 1e-6;

/// A machine whose emitter may have a fault.
class FaultyMachine final : public Machine {
 public:
  explicit FaultyMachine(std::unique_ptr<Machine> machine, const jit::Emitter* emitter)
      : machine_(std::move(machine)), emitter_(emitter) {}
  jit::Emitter emitter(int thread) override { return *emitter_ ? *emitter_ : machine_->emitter(thread); }

  std::unique_ptr<WatchedMemory> allocate(size_t bytes, Contents contents) override {
    return machine_->allocate(bytes, contents);
  }
  Kernels load(const jit::CompiledGroup& group, const jit::GroupDecision& decision) override {
    return machine_->load(group, decision);
  }
  std::unique_ptr<Machine> with(Placement placement) override { return machine_->with(placement); }
  void prepare(int64_t workspace_bytes) override { machine_->prepare(workspace_bytes); }
  std::optional<double> run(const std::vector<const Call*>& calls, base::Team::Lease& lease, double limit_ms,
                            base::FunctionRef<bool()> over) override {
    return machine_->run(calls, lease, limit_ms, over);
  }
  double time(const std::vector<const Call*>& calls, base::Team::Lease& lease) override {
    return machine_->time(calls, lease);
  }
  void wake() override { machine_->wake(); }
  void evict(const std::vector<WatchedMemory*>& far, base::Team::Lease& lease) override { machine_->evict(far, lease); }
  jit::Device* device() const override { return machine_->device(); }

 private:
  const std::unique_ptr<Machine> machine_;
  const jit::Emitter* emitter_;
};

/// Decides about the data and the order of places.
uint64_t seed() { return property::test_seed(3); }

/// A place for a fault: kernel, number, and how many there are.
struct Place {
  size_t kernel, number, of;
};

/// Numbers of all sizes; in every other set some are zeros of both signs, infinite or NaN.
Data real_data(const jit::Computation& c, int set) {
  std::mt19937_64 random(static_cast<uint64_t>(set) + 1);
  std::normal_distribution<float> normal;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Data data = exact_data(c, false, random());
  for (auto& [name, tensor] : data) {
    if (tensor.type() != DataType::f32) continue;
    const bool is_input = c.tensors[static_cast<size_t>(c.find_tensor(name))].role == jit::Role::input;
    for (int64_t i = 0; i < element_count(tensor.shape()); ++i) {
      float& element = tensor.as<float>()[i];
      element = normal(random) * std::pow(30.0F, static_cast<float>(set % 3));
      if (!is_input || set % 2 == 0) continue;
      const float specials[] = {0.0F, -0.0F, kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
      if (random() % 40 < 5) element = specials[random() % 5];
    }
  }
  return data;
}

/// A group with what the gate needs. One thread: the faulty kernels run in forked processes.
class Subject {
 public:
  Subject(const Model& model, size_t task)
      : groups_(model, target_),
        task_(groups_.tasks.at(task)),
        bench_(std::make_shared<const Data>(
                   exact_data(computation(), !jit::winograd_sizes(computation()).empty(), seed())),
               team_, std::make_unique<FaultyMachine>(make_machine(team_, target_), &emitter_)),
        gate_(computation(), target_, bench_, team_) {
    group_ = jit::compile(computation(), task_.initial, target_, "altrt_gate");
    kernels_ = jit::lower(computation(), task_.initial.layouts, task_.initial.schedule);
    for (jit::LoweredKernel& kernel : kernels_) kernel.nest.name = "altrt_damaged";
  }
  /// Both parts of the gate. The same code with stand-ins has the fault too.
  std::string check(const jit::CompiledGroup& group, const jit::Emitter& emitter = {}) {
    emitter_ = emitter;
    const Candidate candidate = load(task_.initial, group);
    Bound bound = bench_.bind(candidate.group, candidate.loaded);
    const std::string fault = gate_.check(candidate, bound, 1e9, [] { return false; }).fault;
    return fault.empty() ? gate_.check_use(candidate, bound) : fault;
  }
  const jit::CompiledGroup& group() const { return group_; }
  const jit::Computation& computation() const { return *task_.computation; }

  std::vector<Place> places(const std::string& fault) const {
    std::vector<Place> all;
    for (size_t k = 0; k < kernels_.size(); ++k) {
      const size_t count = jit::fault_places(fault, kernels_[k].nest, target_);
      for (size_t number = 0; number < count; ++number) all.push_back({k, number, count});
    }
    property::Random(seed()).shuffle(all);
    return all;
  }
  jit::FaultyKernel faulty(const std::string& fault, const Place& place) const {
    return jit::compile_with_fault(fault, kernels_[place.kernel].nest, target_, place.number);
  }
  bool finds(const std::string& fault, const Place& place, const jit::FaultyKernel& faulty) {
    return !check(with(place.kernel, faulty.object), jit::faulty_emitter(fault, place.kernel, place.number, place.of))
                .empty();
  }
  /// Why the fault is none: the code is the same, the place is never reached or never differs, or results on
  /// adversarial data are the same, bit for bit or as far as the order of a reduction decides, and no memory beside the
  /// tensors is touched. "" if it is one.
  std::string is_none(const Place& place, const jit::FaultyKernel& faulty) {
    if (jit::cpu::compile(kernels_[place.kernel].nest, target_).bytes == faulty.object.bytes) return "same code";
    const auto ends = [&](const jit::KernelObject& object, double tolerance) {
      return property::isolated([&] { return agrees(with(place.kernel, object), tolerance); }, 60) == Fate::right;
    };
    if (ends(faulty.witness, 0)) return "never differs";
    if (ends(faulty.object, 0)) return "same results";
    return ends(faulty.object, kRounding) ? "another order of a reduction" : "";
  }

 private:
  /// The group with a kernel in another's place.
  jit::CompiledGroup with(size_t kernel, jit::KernelObject object) const {
    jit::CompiledGroup group = group_;
    group.kernels[kernel].object = std::move(object);
    return group;
  }
  bool agrees(const jit::CompiledGroup& group, double tolerance) {
    for (int set = 0; set < kDataSets; ++set) {
      const auto machine = make_machine(team_, target_);
      Bench bench(std::make_shared<const Data>(real_data(computation(), set)), team_,
                  machine->with(set % 4 < 2 ? Placement::front : Placement::back));
      const std::vector<Tensor> expected = results(bench, group_), found = results(bench, group);
      for (size_t i = 0; i < expected.size(); ++i) {
        if (!is_equal(expected[i], found[i], tolerance)) return false;
      }
    }
    return true;
  }
  std::vector<Tensor> results(Bench& bench, const jit::CompiledGroup& group) {
    const Candidate candidate = load(task_.initial, group);
    Bound bound = bench.bind(candidate);
    bench.poison(bound);
    bench.run_constants(bound);
    base::Team::Lease lease(team_);
    bench.run_until(bound, lease, 1e9, [] { return false; });
    if (!bench.damage(bound).empty()) return std::vector<Tensor>(1);
    std::vector<Tensor> outputs;
    for (const int output : computation().with_role(jit::Role::output)) {
      outputs.push_back(bench.read(bound, computation().tensors[static_cast<size_t>(output)].name));
    }
    return outputs;
  }
  /// The same bits, or NaN in both; or next to each other.
  static bool is_equal(const Tensor& a, const Tensor& b, double tolerance) {
    if (a.bytes() != b.bytes()) return false;
    if (tolerance > 0) return relative_error(a, b) <= tolerance;
    if (a.type() != DataType::f32) return std::memcmp(a.data(), b.data(), a.bytes()) == 0;
    for (int64_t i = 0; i < element_count(a.shape()); ++i) {
      const float x = a.as<float>()[i], y = b.as<float>()[i];
      if (std::memcmp(&x, &y, sizeof x) != 0 && !(std::isnan(x) && std::isnan(y))) return false;
    }
    return true;
  }

  const jit::Target target_ = jit::host_target();
  const Groups groups_;
  const Task& task_;
  base::Team team_{1};
  jit::Emitter emitter_;
  Bench bench_;
  Gate gate_;
  jit::CompiledGroup group_;
  std::vector<jit::LoweredKernel> kernels_;
};

/// Convolutions with and without tails and groups, in two dimensions and three, a pool, matrix products, rows.
const std::vector<std::unique_ptr<Subject>>& subjects() {
  static const std::vector<std::unique_ptr<Subject>> all = [] {
    std::vector<std::unique_ptr<Subject>> made;
    made.push_back(std::make_unique<Subject>(conv_model({1, 16, 9, 11}, {32, 16, 3, 3}, 1, 1), 0));
    made.push_back(std::make_unique<Subject>(conv_model({1, 3, 13, 13}, {30, 3, 3, 3}, 2, 1), 0));
    made.push_back(std::make_unique<Subject>(conv_model({1, 24, 9, 7}, {24, 1, 3, 3}, 1, 24), 0));
    made.push_back(std::make_unique<Subject>(pool_model(), 1));
    made.push_back(std::make_unique<Subject>(matmul_model(13, 21, 37), 0));
    made.push_back(std::make_unique<Subject>(softmax_model({12, 16, 37}), 0));
    made.push_back(std::make_unique<Subject>(conv_model({1, 10, 5, 7, 9}, {20, 10, 3, 3, 3}, 1, 1), 0));
    made.push_back(std::make_unique<Subject>(conv_model({1, 12, 15, 13}, {20, 12, 5, 5}, 1, 1, 2), 0));
    made.push_back(std::make_unique<Subject>(matmul_model(11, 40, 90), 0));
    made.push_back(std::make_unique<Subject>(pool_model(), 0));
    made.push_back(std::make_unique<Subject>(conv_model({1, 8, 40}, {12, 8, 5}, 1, 1), 0));
    return made;
  }();
  return all;
}

void look(Subject& subject, const std::string& fault, const Place& place, property::Findings& findings) {
  const jit::FaultyKernel faulty = subject.faulty(fault, place);
  const Fate fate = property::isolated([&] { return !subject.finds(fault, place, faulty); }, 20);
  const std::string none = fate == Fate::right ? subject.is_none(place, faulty) : "";
  findings.add(fate, none, subject.computation().name + ": " + faulty.place);
}

class GateFaults : public testing::TestWithParam<std::string> {};

// From each group in turn as many as are wanted.
TEST_P(GateFaults, AreFound) {
  std::vector<std::vector<Place>> places;
  for (const std::unique_ptr<Subject>& subject : subjects()) {
    ASSERT_EQ(subject->check(subject->group()), "");
    places.push_back(subject->places(GetParam()));
  }
  property::Findings findings;
  for (bool any = true; any && findings.faults < kWanted;) {
    any = false;
    for (size_t s = 0; s < places.size() && findings.faults < kWanted; ++s) {
      if (places[s].empty()) continue;
      any = true;
      look(*subjects()[s], GetParam(), places[s].back(), findings);
      places[s].pop_back();
    }
  }
  std::printf("%-24s %s\n", GetParam().c_str(), findings.summary().c_str());
  for (const std::string& place : findings.missed) ADD_FAILURE() << GetParam() << " is missed in " << place;
  EXPECT_EQ(findings.faults, kWanted);
}

INSTANTIATE_TEST_SUITE_P(Kinds, GateFaults, testing::ValuesIn(jit::ir_faults()), property::fault_name);

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
