// The work in progress behind build_plan.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jit/layout/stored.h"
#include "runtime/base/buffer.h"
#include "runtime/plan/build.h"
#include "runtime/plan/scratch.h"
#include "runtime/plan/sharing.h"

namespace altrt::plan {

class Slabs;

class Builder {
 public:
  Builder(PlanInput input, WeightStore& weights, base::Team& team);
  Plan build();

 private:
  /// A value in one layout, somewhere.
  struct Instance {
    jit::Layout layout;
    Location location;
  };
  /// What is known of a storage before offsets are assigned.
  struct Draft {
    DataType type = DataType::f32;
    std::vector<int64_t> shape;
    jit::Layout layout;
    bool keeps_padding = false;  // has filled padding that its writer leaves alone
  };
  /// What a constant is packed for: to be read in every run, or once, to make other constants of it.
  enum class Purpose : uint8_t { steps, load };
  /// The tensors of one compiled group while its kernels are added.
  struct Binding {
    int group = -1;
    const GroupCode* code = nullptr;
    jit::StoredLayouts stored;       // the compiled layouts, store_at resolved
    std::map<int, Location> places;  // by tensor number of the compiled Computation
  };

  // build.cc
  void add_group(int group);
  void add_kernels(int group);
  void add_kernel(Binding& binding, int kernel);
  void add_host(int group);
  void add_unasked_outputs(const ops::OpDef& op, HostCall& call, Step& step);
  void add_outputs_of(int value);
  void add_report(int group);
  Location place_of(Binding& binding, int tensor, bool constant);
  int value_of(const Binding& binding, int tensor) const;
  int constant_of(const Binding& binding, int tensor) const;

  // storage.cc
  Location read(int value, const jit::Layout& layout);
  Location write(int value, const jit::Layout& layout);
  Location new_storage(const std::string& name, DataType type, const std::vector<int64_t>& shape,
                       const jit::Layout& layout, bool keeps_padding);
  Location new_constant(Constant constant);
  Location packed(int value, const jit::Layout& layout);
  Location packed_together(const Binding& binding, int host, const std::vector<int>& sources);
  void convert(int value, const Instance& from, const Location& to, const jit::Layout& layout);
  void set_conversion(Step& step, const graph::Value& value, const Instance& from, const Location& to,
                      const jit::Layout& layout);
  void add_step(Step step, SharedStep shared = {});
  void share_steps();
  void assign_memory();
  void drop_unused_constants();

  // packing.cc
  /// A constant of the graph as it is, in the host's memory, for as long as somebody holds the result.
  Constant bytes_of(const std::shared_ptr<const Tensor>& data);
  Constant pack(const std::shared_ptr<const Tensor>& data, const jit::Layout& layout, Purpose purpose);
  /// With `sources`, tensors of the group, in the memory of tensor `host`.
  Constant pack_together(const Binding& binding, int host, const std::vector<int>& sources, Purpose purpose);
  void permute(const std::shared_ptr<const Tensor>& data, const jit::Layout& layout, void* memory, size_t room);
  void permute_slabs(const base::DeferredBytes& data, const Slabs& slabs, void* memory);
  /// Zero memory for what steps read, where it lies together; else scratch memory.
  std::shared_ptr<void> memory_for(size_t bytes, Purpose purpose);

  // constants.cc
  void run_constant_kernel(Binding& binding, int kernel);
  /// What a constant kernel reads, for as long as somebody holds it.
  Constant argument_at_load(Binding& binding, const jit::CompiledKernel& kernel, size_t argument);
  void run_at_load(const jit::CompiledKernel& kernel, const std::shared_ptr<jit::LoadedKernel>& loaded,
                   const std::vector<const void*>& arguments);
  Constant upload(const void* from, size_t bytes, size_t room);
  Location read_on_host(int value);

  const graph::Value& value(int number) const { return graph_.values[static_cast<size_t>(number)]; }

  Plan plan_;
  PlanInput input_;
  const graph::Graph& graph_;
  WeightStore& weights_;
  base::Team& team_;
  std::unique_ptr<jit::DeviceStream> stream_;     // null without a device
  std::string place_;                             // begins the keys of constants: where they lie
  std::vector<std::vector<Instance>> instances_;  // by value; the first is the one its writer made
  std::vector<std::vector<int>> outputs_of_;      // by value: numbers of the model outputs that it is
  std::vector<Draft> drafts_;                     // by storage
  std::vector<SharedStep> shared_;                // by step
  base::BufferPool constants_;                    // what steps read
  ScratchMemory scratch_;                         // what else is needed to make it
};

/// Bytes of a buffer for a tensor in a layout: whole vectors and a line of slack.
int64_t buffer_bytes(DataType type, const std::vector<int64_t>& shape, const jit::Layout& layout);
std::vector<jit::Extent> extents(const std::vector<int64_t>& shape);

}  // namespace altrt::plan
