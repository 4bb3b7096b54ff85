#include "tuner/measure/bench.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>

#include <altrt/error.h>

#include "jit/compile/provide.h"
#include "jit/expr/bound_shape.h"
#include "jit/layout/permute.h"
#include "runtime/base/buffer.h"
#include "runtime/plan/plan.h"
#include "runtime/plan/sharing.h"

namespace altrt::tuner {
namespace {

constexpr size_t kSmallBytes = 4096;       // weights that are not worth being evicted
constexpr int64_t kSharedBytes = 4 << 20;  // less is copied by one thread
// What kernels whose inputs are constant may take: some time, and more for each byte.
constexpr double kConstantsMs = 500, kConstantsMsPerByte = 1e-5;

void permute_all(const jit::Permute& permute, const void* from, void* to, base::Team& team) {
  if (permute.bytes_to() < kSharedBytes) return permute.run(from, to, 0, permute.tasks());
  team.run(permute.tasks(), plan::chunk(permute.tasks(), team.threads()),
           [&](int64_t first, int64_t last, int) { permute.run(from, to, first, last); });
}

// Filled padding that no longer holds its value. `found` is the physical memory, `logical` its elements.
bool padding_is_intact(const Place& place, const void* found_bytes, const void* logical, base::Team& team) {
  constexpr double kMark = 113;  // fits every type of number and is nobody's fill value
  if (!place.layout.has_filled_padding() || place.type == DataType::boolean) return true;
  const jit::Permute permute(place.type, place.shape, {}, place.layout);
  base::AlignedBuffer expected(static_cast<size_t>(permute.bytes_to()));
  base::AlignedBuffer marks(static_cast<size_t>(permute.bytes_to()));
  permute_all(permute, logical, expected.data(), team);
  jit::Layout zeros = place.layout;  // nothing but marks is not zero
  for (jit::LayoutStep& step : zeros.steps) {
    if (step.kind == jit::LayoutKind::pad) step.fill = step.fill ? 0.0 : kMark;
  }
  const Tensor nothing(place.type, place.shape);
  permute_all(jit::Permute(place.type, place.shape, {}, zeros), nothing.data(), marks.data(), team);
  const size_t element = size_of(place.type);
  const auto* found = static_cast<const uint8_t*>(found_bytes);
  for (size_t at = 0; at < marks.size(); at += element) {
    const bool undefined = std::any_of(marks.as<uint8_t>() + at, marks.as<uint8_t>() + at + element,
                                       [](uint8_t byte) { return byte != 0; });
    if (!undefined && std::memcmp(found + at, expected.as<uint8_t>() + at, element) != 0) return false;
  }
  return true;
}

}  // namespace

Candidate load(jit::GroupDecision decision, jit::CompiledGroup group, jit::Device* device) {
  Candidate candidate;
  candidate.loaded = jit::load(group, decision, device);
  candidate.decision = std::move(decision);
  candidate.group = std::make_shared<const jit::CompiledGroup>(std::move(group));
  return candidate;
}

Candidate Bench::candidate(jit::GroupDecision decision, jit::CompiledGroup group) {
  if (!machine_->is_isolated()) return load(std::move(decision), std::move(group), device());
  return {std::move(decision), std::make_shared<const jit::CompiledGroup>(std::move(group)), {}};
}

// What the group reads, packed.
void Bench::fill(Place& place) const {
  const jit::Permute permute(place.type, place.shape, {}, place.layout);
  place.memory->change([&](void* bytes) {
    permute_all(permute, data_->at(place.tensor).data(), bytes, team_);
    for (const Place::Stored& one : place.stored) {
      jit::store_source(one.type, one.shape, one.layout, data_->at(one.tensor).data(), bytes);
    }
  });
}

// Tensor, shape and layout, and those of all that lie in the same memory.
std::string Bench::key_of(const Bound& bound, int tensor) const {
  const jit::Computation& c = bound.group->computation;
  std::vector<int> all = bound.stored.sources(tensor);
  all.insert(all.begin(), tensor);
  std::string key;
  for (const int t : all) {
    const jit::TensorDecl& decl = c.tensors[static_cast<size_t>(t)];
    key += decl.name + " " + altrt::to_string(jit::bound_shape(decl.shape)) + " " +
           jit::to_string(bound.stored.layout(c, t)) + "\n";
  }
  return key;
}

std::shared_ptr<Place> Bench::place(const Bound& bound, int tensor) {
  const jit::Computation& c = bound.group->computation;
  const jit::TensorDecl& decl = c.tensors[static_cast<size_t>(tensor)];
  const jit::Layout layout = bound.stored.layout(c, tensor);
  std::shared_ptr<Place>& place = places_[key_of(bound, tensor)];
  if (place) return place;
  auto made = std::make_shared<Place>();
  made->tensor = decl.name;
  made->type = decl.type;
  made->shape = jit::bound_shape(decl.shape);
  made->layout = layout;
  made->made_here = decl.role == jit::Role::output || decl.role == jit::Role::intermediate;
  made->constant = decl.role == jit::Role::constant;
  const jit::Permute permute(decl.type, made->shape, {}, layout);
  made->memory =
      machine_->allocate(static_cast<size_t>(permute.bytes_to()),
                         made->made_here ? Contents::made : (made->constant ? Contents::constant : Contents::input));
  if (!made->made_here) {
    for (const int source : bound.stored.sources(tensor)) {
      const jit::TensorDecl& stored = c.tensors[static_cast<size_t>(source)];
      made->stored.push_back(
          {stored.name, stored.type, jit::bound_shape(stored.shape), bound.stored.layout(c, source)});
    }
    fill(*made);
    if (!made->constant) made->memory->keep();
  }
  place = std::move(made);
  return place;
}

Bound Bench::bind(const Candidate& candidate) {
  const bool elsewhere = machine_->is_isolated();
  return bind(candidate.group, elsewhere ? machine_->load(*candidate.group, candidate.decision) : candidate.loaded);
}

Bound Bench::bind(std::shared_ptr<const jit::CompiledGroup> group, Machine::Kernels loaded) {
  Bound bound;
  bound.group = group;
  bound.stored = jit::resolve_store_at(group->computation, group->layouts);
  std::vector<plan::SharedStep> steps;
  std::set<int> made_once;  // by constant kernels
  for (size_t k = 0; k < group->kernels.size(); ++k) {
    const jit::CompiledKernel& kernel = group->kernels[k];
    if (kernel.symbolic_size >= 0) throw Error(ErrorCode::unsupported, "kernels with run-time sizes are not measured");
    Call call;
    call.kernel = loaded[k];
    call.tasks = kernel.tasks;
    call.constant = kernel.constant;
    int64_t bytes = 0;
    plan::SharedStep step;
    for (size_t a = 0; a < kernel.arguments.size(); ++a) {
      const std::shared_ptr<Place> memory = place(bound, kernel.arguments[a]);
      call.arguments.push_back(memory->memory->address());
      const int64_t size = element_count(memory->shape) * static_cast<int64_t>(size_of(memory->type));
      if (kernel.constant && kernel.written[a]) made_once.insert(kernel.arguments[a]);
      const bool constant = memory->constant || made_once.contains(kernel.arguments[a]);
      const bool made = memory->made_here && !constant;
      step.arguments.push_back({made ? kernel.arguments[a] : -1, kernel.written[a], constant, size});
      bytes += size;
      if (std::find(bound.places.begin(), bound.places.end(), memory) == bound.places.end()) {
        bound.places.push_back(memory);
      }
    }
    if (const void* state = loaded[k]->state()) call.arguments.push_back(state);
    call.parallel = plan::is_shared(kernel.tasks, kernel.flops, bytes, team_.threads());
    bound.workspace_bytes = std::max(bound.workspace_bytes, kernel.object.workspace_bytes);
    step.tasks = call.tasks;
    step.parallel = call.parallel;
    step.loops = kernel.loops;
    steps.push_back(std::move(step));
    bound.calls.push_back(std::move(call));
  }
  const std::vector<int64_t> inner = plan::share(steps, team_.threads());
  for (size_t k = 0; k < inner.size(); ++k) bound.calls[k].inner = inner[k];
  for (const std::shared_ptr<Place>& memory : bound.places) {
    const auto uses = [&](bool constant) {
      return std::any_of(bound.calls.begin(), bound.calls.end(), [&](const Call& call) {
        return call.constant == constant && std::find(call.arguments.begin(), call.arguments.end(),
                                                      memory->memory->address()) != call.arguments.end();
      });
    };
    if (uses(false) && (memory->constant || uses(true))) bound.weights.push_back(memory);
  }
  machine_->prepare(bound.workspace_bytes);
  return bound;
}

std::vector<const Call*> Bench::calls(const Bound& bound, bool constant) {
  std::vector<const Call*> calls;
  for (const Call& call : bound.calls) {
    if (call.constant == constant) calls.push_back(&call);
  }
  return calls;
}

void Bench::poison(Bound& bound) const {
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (!place->made_here) continue;
    place->memory->change([&](void* bytes) {
      std::memset(bytes, 0xff, place->memory->size());
      if (place->layout.has_filled_padding()) jit::fill_padding(place->type, place->shape, place->layout, bytes);
    });
  }
  machine_->prepare(bound.workspace_bytes);
}

void Bench::run_constants(Bound& bound) {
  base::Team::Lease lease(team_);
  const std::vector<const Call*> constant = calls(bound, true);
  if (!constant.empty()) {
    double bytes = 0;
    for (const std::shared_ptr<Place>& place : bound.weights) bytes += static_cast<double>(place->memory->size());
    machine_->run(constant, lease, kConstantsMs + bytes * kConstantsMsPerByte, [] { return false; });
  }
  for (const std::shared_ptr<Place>& place : bound.weights) place->maker = bound.group.get();
}

void Bench::restore_constants(Bound& bound) {
  const bool intact = std::all_of(bound.weights.begin(), bound.weights.end(), [&](const auto& place) {
    return place->constant || place->maker == bound.group.get();
  });
  if (!intact) run_constants(bound);
}

std::optional<double> Bench::run_until(const Bound& bound, base::Team::Lease& lease, double limit_ms,
                                       base::FunctionRef<bool()> over) {
  return machine_->run(calls(bound, false), lease, limit_ms, over);
}

double Bench::time(const Bound& bound, bool cold) {
  base::Team::Lease lease(team_);
  machine_->wake();
  std::vector<WatchedMemory*> weights;
  for (const std::shared_ptr<Place>& place : bound.weights) weights.push_back(place->memory.get());
  const bool any =
      std::any_of(weights.begin(), weights.end(), [](const auto* memory) { return memory->size() > kSmallBytes; });
  if (!cold) weights.clear();
  if (any) machine_->evict(weights, lease);
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (!place->made_here && !place->constant) place->memory->restore(lease);
  }
  return machine_->time(calls(bound, false), lease);
}

void Bench::set_inputs(Bound& bound, const Data& data) const {
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (place->made_here || place->constant) continue;
    place->memory->change([&](void* bytes) {
      permute_all(jit::Permute(place->type, place->shape, {}, place->layout), data.at(place->tensor).data(), bytes,
                  team_);
    });
  }
}

void Bench::restore_inputs(const Bound& bound) const {
  base::Team::Lease lease(team_);
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (!place->made_here && !place->constant) place->memory->restore(lease);
  }
}

Tensor Bench::read(const Bound& bound, const std::string& tensor) const {
  const jit::Computation& c = bound.group->computation;
  const int number = c.find_tensor(tensor);
  const jit::TensorDecl& decl = c.tensors[static_cast<size_t>(number)];
  const jit::Layout layout = bound.stored.layout(c, number);
  const std::vector<int64_t> shape = jit::bound_shape(decl.shape);
  const auto place = places_.find(key_of(bound, number));
  if (place == places_.end()) throw Error(ErrorCode::internal, "bench: nobody makes '" + tensor + "'");
  Tensor result(decl.type, shape);
  place->second->memory->look(
      [&](const void* bytes) { permute_all(jit::Permute(decl.type, shape, layout, {}), bytes, result.data(), team_); });
  return result;
}

std::string Bench::damage(const Bound& bound) const {
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (!place->memory->intact()) return "writes beside a buffer";
    if (!place->made_here && !place->constant && !place->memory->is_as_kept()) return "writes to an input";
  }
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (!place->made_here || !place->layout.has_filled_padding()) continue;
    bool intact = true;
    place->memory->look([&](const void* bytes) {
      Tensor logical(place->type, place->shape);
      permute_all(jit::Permute(place->type, place->shape, place->layout, {}), bytes, logical.data(), team_);
      intact = padding_is_intact(*place, bytes, logical.data(), team_);
    });
    if (!intact) return "writes to filled padding";
  }
  return "";
}

void Bench::repair(Bound& bound) {
  base::Team::Lease lease(team_);
  for (const std::shared_ptr<Place>& place : bound.places) {
    place->maker = nullptr;
    if (place->constant) fill(*place);
    if (!place->constant && !place->made_here) place->memory->restore(lease);
  }
  std::erase_if(places_, [](const auto& entry) { return !entry.second->memory->intact(); });
}

void Bench::trim() {
  std::erase_if(places_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

}  // namespace altrt::tuner
