// Where values lie: instances in layouts, conversions between them, the arena.
#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/base/buffer.h"
#include "runtime/plan/builder.h"
#include "runtime/plan/conversion_reach.h"
#include "runtime/plan/memory.h"

namespace altrt::plan {
namespace {

constexpr int64_t kLine = static_cast<int64_t>(base::kAlignment);
// A conversion of fewer bytes is done by one thread.
constexpr int64_t kSharedBytes = 128 << 10;

}  // namespace

std::vector<jit::Extent> extents(const std::vector<int64_t>& shape) { return {shape.begin(), shape.end()}; }

int64_t buffer_bytes(DataType type, const std::vector<int64_t>& shape, const jit::Layout& layout) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(jit::physical_elements(layout, extents(shape)), static_cast<int64_t>(size_of(type)),
                             &bytes) ||
      bytes > std::numeric_limits<int64_t>::max() / 4) {
    throw Error(ErrorCode::out_of_memory, "a tensor of shape " + altrt::to_string(shape) + " is too large");
  }
  return (bytes + kLine - 1) / kLine * kLine + kLine;
}

Location Builder::new_storage(const std::string& name, DataType type, const std::vector<int64_t>& shape,
                              const jit::Layout& layout, bool keeps_padding) {
  Storage storage;
  storage.name = name;
  storage.bytes = buffer_bytes(type, shape, layout);
  storage.first_step = std::numeric_limits<int>::max();
  storage.last_step = -1;
  plan_.storages.push_back(std::move(storage));
  drafts_.push_back({type, shape, layout, keeps_padding});
  return {Place::arena, static_cast<int64_t>(plan_.storages.size()) - 1};
}

Location Builder::new_constant(Constant constant) {
  const auto same = std::find(plan_.constants.begin(), plan_.constants.end(), constant);
  const int64_t index = same - plan_.constants.begin();
  if (same == plan_.constants.end()) plan_.constants.push_back(std::move(constant));
  return {Place::constant, index};
}

// The value in this layout: as it is, packed at load, or converted in every run.
Location Builder::read(int number, const jit::Layout& layout) {
  std::vector<Instance>& instances = instances_[static_cast<size_t>(number)];
  for (const Instance& instance : instances) {
    if (instance.layout == layout) return instance.location;
  }
  Location place;
  if (value(number).is_constant()) {
    place = packed(number, layout);
  } else {
    if (instances.empty()) {
      throw Error(ErrorCode::internal, "plan: '" + value(number).name + "' is read before it is made");
    }
    // A native copy writes the padding in every run; a kernel leaves it alone.
    place = new_storage(value(number).name, value(number).type, value(number).shape, layout,
                        input_.device && layout.has_filled_padding());
    convert(number, instances.front(), place, layout);
  }
  instances.push_back({layout, place});
  return place;
}

// A place for a value that a group is about to make: the caller's memory where that is a row-major model output.
Location Builder::write(int number, const jit::Layout& layout) {
  std::vector<Instance>& instances = instances_[static_cast<size_t>(number)];
  if (!instances.empty()) {
    throw Error(ErrorCode::internal, "plan: '" + value(number).name + "' is made twice");
  }
  const std::vector<int>& outputs = outputs_of_[static_cast<size_t>(number)];
  const Location place = layout.is_plain() && !outputs.empty()
                             ? Location{Place::output, outputs.front()}
                             : new_storage(value(number).name, value(number).type, value(number).shape, layout,
                                           layout.has_filled_padding());
  instances.push_back({layout, place});
  return place;
}

Location Builder::packed(int number, const jit::Layout& layout) {
  const std::string key = place_ + "value " + std::to_string(number) + " " + jit::to_string(layout);
  return new_constant(weights_.get(key, [&] { return pack(value(number).data, layout, Purpose::steps); }));
}

// A constant and those that are stored at it, in one memory.
Location Builder::packed_together(const Binding& binding, int host, const std::vector<int>& sources) {
  const jit::Computation& c = binding.code->compiled->computation;
  std::string key = place_ + "values";
  std::vector<int> all{host};
  all.insert(all.end(), sources.begin(), sources.end());
  for (const int tensor : all) {
    key += " " + std::to_string(constant_of(binding, tensor)) + " " + jit::to_string(binding.stored.layout(c, tensor));
  }
  return new_constant(weights_.get(key, [&] { return pack_together(binding, host, sources, Purpose::steps); }));
}

// What the step runs, on the CPU or on the device.
void Builder::set_conversion(Step& step, const graph::Value& v, const Instance& from, const Location& to,
                             const jit::Layout& layout) {
  if (!input_.device) {
    auto permute = std::make_shared<jit::Permute>(v.type, v.shape, from.layout, layout);
    step.tasks = permute->tasks();
    step.parallel = step.tasks > 1 && permute->bytes_to() >= kSharedBytes;
    step.permute = std::move(permute);
  } else if (element_count(v.shape) > 0) {
    const Conversion& conversion = input_.conversions->get(v.type, v.shape, from.layout, layout);
    step.tasks = conversion.kernel.tasks;
    step.loaded = conversion.loaded;
    if (conversion.kernel.arguments[0] == 1) {
      step.arguments = {to, from.location};
      step.written = {true, false};
      return;
    }
  } else {
    step.tasks = 0;
  }
  step.arguments = {from.location, to};
  step.written = {false, true};
}

void Builder::convert(int number, const Instance& from, const Location& to, const jit::Layout& layout) {
  const graph::Value& v = value(number);
  Step step;
  step.kind = StepKind::conversion;
  step.report = static_cast<int>(plan_.kernels.size());
  step.name = v.name;
  set_conversion(step, v, from, to, layout);

  KernelInfo info;
  info.name = v.name;
  info.op = layout == from.layout ? "Copy" : "Convert";
  info.provider = "own";
  info.algorithm = "permute";
  info.layout = layout.is_plain() ? "plain" : jit::to_string(layout);
  info.bytes = 2 * element_count(v.shape) * static_cast<int64_t>(size_of(v.type));
  plan_.kernels.push_back(std::move(info));
  SharedStep shared;
  if (step.parallel && !input_.device && team_.threads() > 1)
    shared.loops = reach(v.type, v.shape, from.layout, layout);
  add_step(std::move(step), std::move(shared));
}

void Builder::add_step(Step step, SharedStep shared) {
  const int number = static_cast<int>(plan_.steps.size());
  for (const Location& argument : step.arguments) {
    if (argument.place != Place::arena) continue;
    Storage& storage = plan_.storages[static_cast<size_t>(argument.index)];
    storage.first_step = std::min(storage.first_step, number);
    storage.last_step = std::max(storage.last_step, number);
  }
  plan_.steps.push_back(std::move(step));
  shared_.push_back(std::move(shared));
}

// Constants that only constant kernels read are not needed any more.
void Builder::drop_unused_constants() {
  std::vector<int64_t> renumbered(plan_.constants.size(), -1);
  std::vector<Constant> kept;
  for (Step& step : plan_.steps) {
    for (Location& argument : step.arguments) {
      if (argument.place != Place::constant) continue;
      int64_t& number = renumbered[static_cast<size_t>(argument.index)];
      if (number < 0) {
        number = static_cast<int64_t>(kept.size());
        kept.push_back(plan_.constants[static_cast<size_t>(argument.index)]);
      }
      argument.index = number;
    }
  }
  plan_.constants = std::move(kept);
}

void Builder::assign_memory() {
  std::vector<Lifetime> lives;
  std::vector<size_t> models;  // a draft of each kind of padded tensor
  for (size_t s = 0; s < drafts_.size(); ++s) {
    const Storage& storage = plan_.storages[s];
    Lifetime life{storage.bytes, std::min(storage.first_step, storage.last_step), storage.last_step, -1};
    if (drafts_[s].keeps_padding) {
      const auto same = std::find_if(models.begin(), models.end(), [&](size_t m) {
        return drafts_[m].type == drafts_[s].type && drafts_[m].shape == drafts_[s].shape &&
               drafts_[m].layout == drafts_[s].layout;
      });
      life.kind = static_cast<int>(same - models.begin());
      if (same == models.end()) models.push_back(s);
    }
    lives.push_back(life);
  }
  const MemoryPlan memory = plan_memory(lives);
  for (const MemoryPlan::Slot& slot : memory.all_slots) {
    const Draft& draft = drafts_[models[static_cast<size_t>(slot.kind)]];
    plan_.padded.push_back({slot.offset, slot.bytes, draft.type, draft.shape, draft.layout});
  }
  for (size_t s = 0; s < drafts_.size(); ++s) {
    plan_.storages[s].offset = memory.offsets[s];
    plan_.storages[s].padded = memory.slots[s];
  }
  plan_.arena_bytes = memory.bytes;
}

}  // namespace altrt::plan
