// Runs single compiled groups outside a plan, on memory of their own.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jit/compile/compile.h"
#include "jit/layout/stored.h"
#include "runtime/base/function_ref.h"
#include "runtime/base/team.h"
#include "tuner/measure/exact_data.h"
#include "tuner/measure/machine.h"

namespace altrt::tuner {

/// The memory of one tensor in one layout, with the constants that are stored at it.
struct Place {
  std::string tensor;
  DataType type = DataType::f32;
  std::vector<int64_t> shape;  // logical
  jit::Layout layout;
  std::unique_ptr<WatchedMemory> memory;  // keeps the contents of inputs
  bool constant = false;
  bool made_here = false;       // written by the group
  const void* maker = nullptr;  // of a constant kernel's result: the candidate whose it is
  struct Stored {
    std::string tensor;
    DataType type = DataType::f32;
    std::vector<int64_t> shape;  // logical
    jit::Layout layout;
  };
  std::vector<Stored> stored;  // at it
};

/// A decision as code: what the gate and the clock get.
struct Candidate {
  jit::GroupDecision decision;
  std::shared_ptr<const jit::CompiledGroup> group;
  Machine::Kernels loaded;  // in this process (or its device); may be missing where candidates run in another
};

/// Loads what was compiled, into the device if there is one.
Candidate load(jit::GroupDecision decision, jit::CompiledGroup group, jit::Device* device = nullptr);

/// A candidate that can be run.
struct Bound {
  std::shared_ptr<const jit::CompiledGroup> group;
  jit::StoredLayouts stored;  // its layouts, store_at resolved
  std::vector<Call> calls;
  std::vector<std::shared_ptr<Place>> places;   // distinct ones
  std::vector<std::shared_ptr<Place>> weights;  // of these, what every run reads and none writes
  int64_t workspace_bytes = 0;
};

/// Holds the contents of a group's inputs and constants and every memory that candidates of the group run on:
/// candidates whose layouts agree share it. One thread at a time.
class Bench {
 public:
  Bench(std::shared_ptr<const Data> data, base::Team& team, std::unique_ptr<Machine> machine)
      : data_(std::move(data)), team_(team), machine_(std::move(machine)) {}
  /// On this machine's threads.
  Bench(Data data, base::Team& team)
      : Bench(std::make_shared<const Data>(std::move(data)), team, make_machine(team, jit::host_target())) {}

  /// A candidate of code that was just made, loaded unless it is to run in another process.
  Candidate candidate(jit::GroupDecision decision, jit::CompiledGroup group);
  /// Memory for a candidate, inputs and constants packed. Error(unsupported) for kernels with run-time sizes.
  Bound bind(const Candidate& candidate);
  Bound bind(std::shared_ptr<const jit::CompiledGroup> group, Machine::Kernels loaded);

  /// Fills everything the candidate writes with NaN (undefined bytes) but for its filled padding.
  void poison(Bound& bound) const;
  /// Kernels whose inputs are constant: once before run().
  void run_constants(Bound& bound);
  /// The same where other candidates have written to what they made since.
  void restore_constants(Bound& bound);
  /// The others, in pieces; milliseconds. Nothing if `over` was true between two of them, as it is bound to be after
  /// `limit_ms`, which ends it.
  std::optional<double> run_until(const Bound& bound, base::Team::Lease& lease, double limit_ms,
                                  base::FunctionRef<bool()> over);
  /// One run in the state of a network, as a plan makes it: weights out of the caches (with `cold`, of all of them),
  /// inputs just written. Milliseconds.
  double time(const Bound& bound, bool cold);
  /// Other contents for the inputs, until restore_inputs().
  void set_inputs(Bound& bound, const Data& data) const;
  void restore_inputs(const Bound& bound) const;

  /// The contents of a tensor that the candidate made, row-major.
  Tensor read(const Bound& bound, const std::string& tensor) const;
  /// "" or what the candidate damaged: an input, bytes beside a buffer, padding.
  std::string damage(const Bound& bound) const;

  /// After a candidate that died or did damage: inputs and constants are what they were, other candidates' memory that
  /// it wrote beside is used by nobody who comes later.
  void repair(Bound& bound);

  const std::shared_ptr<const Data>& data() const { return data_; }
  Machine& machine() const { return *machine_; }
  jit::Device* device() const { return machine_->device(); }
  /// Forgets memory that no candidate uses.
  void trim();

 private:
  std::shared_ptr<Place> place(const Bound& bound, int tensor);
  std::string key_of(const Bound& bound, int tensor) const;
  void fill(Place& place) const;
  static std::vector<const Call*> calls(const Bound& bound, bool constant);

  std::shared_ptr<const Data> data_;
  base::Team& team_;
  std::unique_ptr<Machine> machine_;
  std::map<std::string, std::shared_ptr<Place>> places_;  // by key_of()
};

}  // namespace altrt::tuner
