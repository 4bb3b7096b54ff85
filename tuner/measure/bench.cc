#include "tuner/measure/bench.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include <altrt/error.h>

#include "jit/layout/permute.h"
#include "runtime/base/float_environment.h"
#include "runtime/plan/executor.h"
#include "runtime/plan/plan.h"

namespace altrt::tuner {
namespace {

constexpr int64_t kSizes[1] = {0};

constexpr int64_t kPieces = 32;            // of a kernel whose run can be cut off
constexpr int64_t kSharedBytes = 4 << 20;  // less is copied by one thread

void permute_all(const jit::Permute& permute, const void* from, void* to, base::Team& team) {
  if (permute.bytes_to() < kSharedBytes) return permute.run(from, to, 0, permute.tasks());
  team.run(permute.tasks(), std::max<int64_t>(1, permute.tasks() / (int64_t{8} * team.threads())),
           [&](int64_t first, int64_t last, int) { permute.run(from, to, first, last); });
}

// Filled padding that no longer holds its value. `found` is the physical memory, `logical` its elements.
bool padding_is_intact(const Place& place, const void* logical, base::Team& team) {
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
  const auto* found = static_cast<const uint8_t*>(place.buffer.data());
  for (size_t at = 0; at < marks.size(); at += element) {
    const bool undefined = std::any_of(marks.as<uint8_t>() + at, marks.as<uint8_t>() + at + element,
                                       [](uint8_t byte) { return byte != 0; });
    if (!undefined && std::memcmp(found + at, expected.as<uint8_t>() + at, element) != 0) return false;
  }
  return true;
}

}  // namespace

std::shared_ptr<Place> Bench::place(const jit::CompiledGroup& group, int tensor) {
  if (static_cast<size_t>(tensor) >= group.computation.tensors.size()) {
    throw Error(ErrorCode::unsupported, "scratch between kernels is not measured");
  }
  const jit::TensorDecl& decl = group.computation.tensors[static_cast<size_t>(tensor)];
  const auto found = group.layouts.find(decl.name);
  const jit::Layout layout = found == group.layouts.end() ? jit::Layout{} : found->second;
  std::vector<int64_t> shape;
  for (const jit::Extent& extent : decl.shape) shape.push_back(extent.bound);
  std::shared_ptr<Place>& place = places_[decl.name + " " + altrt::to_string(shape) + " " + jit::to_string(layout)];
  if (place) return place;
  auto made = std::make_shared<Place>();
  made->tensor = decl.name;
  made->type = decl.type;
  made->shape = std::move(shape);
  made->layout = layout;
  made->made_here = decl.role == jit::Role::output || decl.role == jit::Role::intermediate;
  made->constant = decl.role == jit::Role::constant;
  const jit::Permute permute(decl.type, made->shape, {}, layout);
  made->buffer = base::GuardedBuffer(static_cast<size_t>(permute.bytes_to()));
  if (!made->made_here) {
    permute_all(permute, data_.at(decl.name).data(), made->buffer.data(), team_);
    if (!made->constant) {
      made->original = base::AlignedBuffer(made->buffer.size());
      std::memcpy(made->original.data(), made->buffer.data(), made->buffer.size());
    }
  }
  place = std::move(made);
  return place;
}

Bound Bench::bind(std::shared_ptr<const jit::CompiledGroup> group,
                  std::vector<std::shared_ptr<jit::LoadedKernel>> loaded) {
  Bound bound;
  for (size_t k = 0; k < group->kernels.size(); ++k) {
    const jit::CompiledKernel& kernel = group->kernels[k];
    if (kernel.symbolic_size >= 0) throw Error(ErrorCode::unsupported, "kernels with run-time sizes are not measured");
    Bound::Call call;
    call.function = loaded[k]->function();
    call.tasks = kernel.tasks;
    call.constant = kernel.constant;
    int64_t bytes = 0;
    for (const int tensor : kernel.arguments) {
      const std::shared_ptr<Place> memory = place(*group, tensor);
      call.arguments.push_back(memory->buffer.data());
      bytes += element_count(memory->shape) * static_cast<int64_t>(size_of(memory->type));
      if (std::find(bound.places.begin(), bound.places.end(), memory) == bound.places.end()) {
        bound.places.push_back(memory);
      }
    }
    if (const void* state = loaded[k]->state()) call.arguments.push_back(state);
    call.parallel = plan::is_shared(kernel.tasks, kernel.flops, bytes);
    bound.workspace_bytes = std::max(bound.workspace_bytes, kernel.object.workspace_bytes);
    bound.calls.push_back(std::move(call));
  }
  for (const std::shared_ptr<Place>& memory : bound.places) {
    const auto uses = [&](bool constant) {
      return std::any_of(bound.calls.begin(), bound.calls.end(), [&](const Bound::Call& call) {
        return call.constant == constant &&
               std::find(call.arguments.begin(), call.arguments.end(), memory->buffer.data()) != call.arguments.end();
      });
    };
    if (uses(false) && (memory->constant || uses(true))) bound.weights.push_back(memory);
  }
  bound.group = std::move(group);
  bound.loaded = std::move(loaded);
  const auto bytes = static_cast<size_t>(bound.workspace_bytes);
  if (workspaces_.empty() || workspaces_[0].size() < bytes) {
    workspaces_.clear();
    for (int t = 0; t < team_.threads(); ++t) workspaces_.emplace_back(bytes).zero();
  }
  return bound;
}

void Bench::poison(Bound& bound) const {
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (!place->made_here) continue;
    std::memset(place->buffer.data(), 0xff, place->buffer.size());
    if (place->layout.has_filled_padding()) {
      jit::fill_padding(place->type, place->shape, place->layout, place->buffer.data());
    }
  }
  for (const base::AlignedBuffer& workspace : workspaces_) {
    std::memset(const_cast<void*>(workspace.data()), 0xff, workspace.size());
  }
}

// Tasks [first, last) of a kernel.
void Bench::call(const Bound::Call& call, base::Team::Lease& lease, int64_t first, int64_t last) {
  const auto work = [&](int64_t from, int64_t to, int worker) {
    call.function(call.arguments.data(), kSizes, workspaces_[static_cast<size_t>(worker)].data(), first + from,
                  first + to);
  };
  const int64_t tasks = last - first;
  if (tasks == 0) return;
  if (!call.parallel || lease.threads() == 1) return work(0, tasks, 0);
  lease.run(tasks, plan::chunk(tasks, lease.threads()), work);
}

void Bench::run_constants(Bound& bound) {
  const base::FloatEnvironment float_environment;
  base::Team::Lease lease(team_);
  for (const Bound::Call& one : bound.calls) {
    if (one.constant) call(one, lease, 0, one.tasks);
  }
  for (const std::shared_ptr<Place>& place : bound.weights) place->maker = bound.group.get();
}

void Bench::restore_constants(Bound& bound) {
  const bool intact = std::all_of(bound.weights.begin(), bound.weights.end(), [&](const auto& place) {
    return place->constant || place->maker == bound.group.get();
  });
  if (!intact) run_constants(bound);
}

void Bench::run(const Bound& bound, base::Team::Lease& lease) {
  const base::FloatEnvironment float_environment;
  for (const Bound::Call& one : bound.calls) {
    if (!one.constant) call(one, lease, 0, one.tasks);
  }
}

bool Bench::run_until(const Bound& bound, base::Team::Lease& lease, base::FunctionRef<bool()> over) {
  const base::FloatEnvironment float_environment;
  for (const Bound::Call& one : bound.calls) {
    if (one.constant) continue;
    const int64_t piece = std::max<int64_t>(lease.threads(), one.tasks / kPieces);
    for (int64_t first = 0; first < one.tasks; first += piece) {
      call(one, lease, first, std::min(first + piece, one.tasks));
      if (over()) return false;
    }
  }
  return true;
}

void Bench::set_inputs(Bound& bound, const Data& data) const {
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (place->made_here || place->constant) continue;
    permute_all(jit::Permute(place->type, place->shape, {}, place->layout), data.at(place->tensor).data(),
                place->buffer.data(), team_);
  }
}

void Bench::rewrite_inputs(const Bound& bound, base::Team::Lease& lease) const {
  constexpr int64_t kPiece = 16 << 10;
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (place->made_here || place->constant) continue;
    const auto bytes = static_cast<int64_t>(place->buffer.size());
    auto* to = static_cast<uint8_t*>(place->buffer.data());
    const auto* from = place->original.as<uint8_t>();
    lease.run((bytes + kPiece - 1) / kPiece, 1, [&](int64_t first, int64_t last, int) {
      const int64_t end = std::min(bytes, last * kPiece);
      std::memcpy(to + first * kPiece, from + first * kPiece, static_cast<size_t>(end - first * kPiece));
    });
  }
}

Tensor Bench::read(const Bound& bound, const std::string& tensor) const {
  const jit::Computation& c = bound.group->computation;
  const jit::TensorDecl& decl = c.tensors[static_cast<size_t>(c.find_tensor(tensor))];
  const auto found = bound.group->layouts.find(tensor);
  const jit::Layout layout = found == bound.group->layouts.end() ? jit::Layout{} : found->second;
  std::vector<int64_t> shape;
  for (const jit::Extent& extent : decl.shape) shape.push_back(extent.bound);
  const auto place = places_.find(tensor + " " + altrt::to_string(shape) + " " + jit::to_string(layout));
  if (place == places_.end()) throw Error(ErrorCode::internal, "bench: nobody makes '" + tensor + "'");
  Tensor result(decl.type, shape);
  permute_all(jit::Permute(decl.type, shape, layout, {}), place->second->buffer.data(), result.data(), team_);
  return result;
}

std::string Bench::damage(const Bound& bound) const {
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (!place->buffer.intact()) return "writes beside a buffer";
    if (!place->made_here && !place->constant &&
        std::memcmp(place->buffer.data(), place->original.data(), place->original.size()) != 0) {
      return "writes to an input";
    }
  }
  for (const std::shared_ptr<Place>& place : bound.places) {
    if (!place->made_here || !place->layout.has_filled_padding()) continue;
    Tensor logical(place->type, place->shape);
    permute_all(jit::Permute(place->type, place->shape, place->layout, {}), place->buffer.data(), logical.data(),
                team_);
    if (!padding_is_intact(*place, logical.data(), team_)) return "writes to filled padding";
  }
  return "";
}

void Bench::trim() {
  std::erase_if(places_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

}  // namespace altrt::tuner
