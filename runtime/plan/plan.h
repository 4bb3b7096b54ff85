// Plan: kernels, storage and order. Immutable once built; run by a Runner with a caller's memory.
#pragma once

#include <altrt/session.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "jit/compile/compile.h"
#include "jit/kernel/device.h"
#include "jit/kernel/kernel.h"
#include "jit/layout/permute.h"
#include "runtime/base/team.h"
#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"

namespace altrt::plan {

/// Where an argument of a step lies.
enum class Place : uint8_t {
  arena,     // number of a storage of the plan: memory of the context
  constant,  // number of a constant of the plan
  input,     // number of a model input: the caller's memory
  output     // number of a model output: the caller's memory
};
struct Location {
  Place place = Place::arena;
  int64_t index = 0;

  bool operator==(const Location&) const = default;
};

/// A region of the arena that holds one tensor from the step that writes it first to the step that uses it last.
/// Regions of tensors whose lives do not overlap may share bytes.
struct Storage {
  std::string name;    // of the value, for people
  int64_t offset = 0;  // bytes, 64-byte aligned
  int64_t bytes = 0;   // whole vectors and some slack behind the last element
  int first_step = 0, last_step = 0;
  int padded = -1;  // number of the padded region it lies in; -1 = none
};

/// A region of the arena whose padding is filled when a context is made. Only tensors of exactly this type, shape and
/// layout ever lie in it, and nobody writes their padding, so that it stays.
struct PaddedRegion {
  int64_t offset = 0;
  int64_t bytes = 0;
  DataType type = DataType::f32;
  std::vector<int64_t> shape;
  jit::Layout layout;
};

/// A constant in the layout that its readers want; shared between sessions of one model. In the device's memory where
/// the plan has a device, but in the host's for host steps.
using Constant = std::shared_ptr<const void>;

enum class StepKind : uint8_t { kernel, host, conversion };

/// What a host step calls. The operator may keep nothing between calls.
struct HostCall {
  ops::NodeInfo info;
  void (*function)(const ops::NodeInfo&, std::span<const TensorView> inputs, std::span<TensorView> outputs) = nullptr;
  std::vector<TensorView> views;      // inputs, then outputs, without memory
  std::vector<int> argument_of_view;  // -1: an absent optional input or an output that nobody asked for
  size_t inputs = 0;
};

/// One thing to do. Steps run in order, each over the whole team, with a barrier after it; on a device each is a
/// launch, but for host steps.
struct Step {
  StepKind kind = StepKind::kernel;
  int report = -1;                              // number in Plan::kernels
  std::string name;                             // of the kernel object, node or value
  std::shared_ptr<jit::LoadedKernel> loaded;    // kernel; on a device conversion too, unless it has no tasks
  jit::KernelFunction function = nullptr;       // kernel on the CPU
  std::shared_ptr<const jit::Permute> permute;  // conversion on the CPU: arguments are {from, to}
  std::shared_ptr<const HostCall> host;         // host
  std::vector<Location> arguments;
  std::vector<bool> written;    // per argument: whether this step writes it
  int64_t tasks = 1;            // blocks on a device
  int64_t workspace_bytes = 0;  // per thread
  bool parallel = true;         // false: too small to share
  int64_t inner = 1;            // tasks per outer number: see base::TeamLoop
};

struct Plan {
  std::shared_ptr<jit::Device> device;  // whose memory and kernels these are; null = the CPU
  /// Without the data of those constants that only kernels read.
  std::shared_ptr<const graph::Graph> graph;
  std::vector<graph::Group> groups;
  graph::Decisions decisions;
  std::vector<Step> steps;
  std::vector<Storage> storages;
  std::vector<PaddedRegion> padded;
  std::vector<Constant> constants;
  int64_t arena_bytes = 0;
  int64_t workspace_bytes = 0;  // per thread, maximum over steps
  /// One per group, in order, each followed by the conversions it asked for.
  std::vector<KernelInfo> kernels;
};

/// Whether a whole team of `workers` runs a kernel of this work: a barrier costs some microseconds, the more of them
/// the more.
bool is_shared(int64_t tasks, int64_t flops, int64_t bytes, int workers);
/// How many tasks of a shared step a thread takes at a time.
int64_t chunk(int64_t tasks, int threads);
/// How a team of `threads` shares a step of so many tasks, `inner` of them per outer number.
base::TeamLoop team_loop(int64_t tasks, int64_t inner, int threads);

/// One line a step with its arguments, then the storages.
std::string to_string(const Plan& plan);

/// Error(internal) names step and storage: two tensors that live at the same time overlap, a padded region is shared
/// with anything else, something is outside the arena, an argument is read before it is written, a constant or model
/// input is written, a model output is not, or a step has nothing to run.
void verify(const Plan& plan);

}  // namespace altrt::plan
