// Kernels whose inputs are all constant run once, when the plan is built.
#include <utility>

#include "jit/expr/bound_shape.h"
#include "runtime/base/buffer.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/hash.h"
#include "runtime/plan/builder.h"

namespace altrt::plan {
namespace {

struct ConstantOutputs {
  std::vector<Constant> buffers;
};

/// Memory of a device with the device that it belongs to.
struct DeviceConstant {
  std::shared_ptr<jit::Device> device;
  std::shared_ptr<void> memory;
};

}  // namespace

// A copy in the device's memory, there when this returns: other sessions may find it in the store at once. `room` is
// the size of the memory, which is 0 behind the bytes.
Constant Builder::upload(const void* from, size_t bytes, size_t room) {
  auto constant = std::make_shared<DeviceConstant>(DeviceConstant{input_.device, input_.device->allocate(room)});
  uint8_t* memory = static_cast<uint8_t*>(constant->memory.get());
  if (bytes > 0) stream_->upload(memory, from, bytes);
  if (bytes < room) stream_->fill(memory + bytes, 0, room - bytes);
  stream_->wait();
  return Constant(constant, memory);
}

// The value row-major for a host step, constants in the host's memory.
Location Builder::read_on_host(int number) {
  if (!stream_) return read(number, {});
  if (value(number).is_constant()) {
    const std::shared_ptr<const Tensor>& data = plan_.graph->values[static_cast<size_t>(number)].data;
    return new_constant(Constant(data, data->data()));
  }
  const Location place = read(number, {});
  if (place.place != Place::constant) return place;
  const auto data = std::make_shared<Tensor>(value(number).type, value(number).shape);
  if (data->bytes() > 0) {
    stream_->download(data->data(), plan_.constants[static_cast<size_t>(place.index)].get(), data->bytes());
    stream_->wait();
  }
  return new_constant(Constant(data, data->data()));
}

void Builder::run_at_load(const jit::CompiledKernel& kernel, const std::shared_ptr<jit::LoadedKernel>& loaded,
                          const std::vector<const void*>& arguments) {
  if (kernel.tasks == 0) return;
  if (stream_) {
    jit::Launch launch{loaded, {}, kernel.tasks};
    for (const void* argument : arguments) launch.arguments.push_back(const_cast<void*>(argument));
    stream_->launch(launch);
    stream_->wait();
    return;
  }
  const jit::KernelFunction function = loaded->function();
  const auto workspace_bytes = static_cast<size_t>(kernel.object.workspace_bytes);
  std::vector<base::AlignedBuffer> workspaces;
  for (int t = 0; t < team_.threads(); ++t) workspaces.emplace_back(workspace_bytes);
  const int64_t sizes[1] = {0};
  const base::FloatEnvironment float_environment;
  team_.run(kernel.tasks, chunk(kernel.tasks, team_.threads()), [&](int64_t first, int64_t last, int worker) {
    function(arguments.data(), sizes, workspaces[static_cast<size_t>(worker)].data(), first, last);
  });
}

// A constant of the graph is packed for this kernel alone, unless steps read it in the same layout.
Constant Builder::argument_at_load(Binding& binding, const jit::CompiledKernel& kernel, size_t argument) {
  const int tensor = kernel.arguments[argument];
  const int number = value_of(binding, tensor);
  if (!binding.places.contains(tensor) && number >= 0 && value(number).is_constant()) {
    const jit::Layout layout = binding.stored.layout(binding.code->compiled->computation, tensor);
    const std::vector<int> sources = binding.stored.sources(tensor);
    if (!sources.empty()) return pack_together(binding, tensor, sources, Purpose::load);
    for (const Instance& instance : instances_[static_cast<size_t>(number)]) {
      if (instance.layout == layout && instance.location.place == Place::constant) {
        return plan_.constants[static_cast<size_t>(instance.location.index)];
      }
    }
    return pack(value(number).data, layout, Purpose::load);
  }
  const Location place = place_of(binding, tensor, true);
  if (place.place != Place::constant) {
    throw Error(ErrorCode::internal, "plan: constant kernel '" + kernel.object.name + "' reads a variable");
  }
  return plan_.constants[static_cast<size_t>(place.index)];
}

void Builder::run_constant_kernel(Binding& binding, int k) {
  const jit::CompiledGroup& compiled = *binding.code->compiled;
  const jit::CompiledKernel& kernel = compiled.kernels[static_cast<size_t>(k)];
  const auto& tensors = compiled.computation.tensors;
  std::vector<size_t> outputs;
  std::string key =
      place_ + "kernel " + base::hex(base::hash_bytes(kernel.object.bytes.data(), kernel.object.bytes.size()));
  for (size_t a = 0; a < kernel.arguments.size(); ++a) {
    const int tensor = kernel.arguments[a];
    if (kernel.written[a]) outputs.push_back(a);
    key += " " + std::to_string(value_of(binding, tensor));
    for (const int source : binding.stored.sources(tensor)) key += "+" + std::to_string(value_of(binding, source));
  }
  key += " of group " + std::to_string(binding.group);

  const auto make = [&]() -> Constant {
    auto made = std::make_shared<ConstantOutputs>();
    std::vector<Constant> read;  // until the kernel has run
    std::vector<const void*> arguments(kernel.arguments.size(), nullptr);
    for (const size_t a : outputs) {
      const jit::TensorDecl& decl = tensors[static_cast<size_t>(kernel.arguments[a])];
      const jit::Layout layout = binding.stored.layout(compiled.computation, kernel.arguments[a]);
      const std::vector<int64_t> shape = jit::bound_shape(decl.shape);
      const auto room = static_cast<size_t>(buffer_bytes(decl.type, shape, layout));
      const std::shared_ptr<void> buffer = stream_ ? base::allocate_zero(room) : constants_.allocate(room);
      if (layout.has_filled_padding()) jit::fill_padding(decl.type, shape, layout, buffer.get());
      made->buffers.push_back(stream_ ? upload(buffer.get(), room, room) : Constant(buffer));
      arguments[a] = made->buffers.back().get();
    }
    for (size_t a = 0; a < arguments.size(); ++a) {
      if (!arguments[a]) arguments[a] = read.emplace_back(argument_at_load(binding, kernel, a)).get();
    }
    run_at_load(kernel, binding.code->loaded[static_cast<size_t>(k)], arguments);
    return made;
  };
  const Constant holder = weights_.get(key, make);
  const auto* made = static_cast<const ConstantOutputs*>(holder.get());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int tensor = kernel.arguments[outputs[i]];
    const Location place = new_constant(Constant(holder, made->buffers[i].get()));
    binding.places[tensor] = place;
    const int number = value_of(binding, tensor);
    if (number < 0 || tensors[static_cast<size_t>(tensor)].role != jit::Role::output) continue;
    instances_[static_cast<size_t>(number)].push_back({binding.stored.layout(compiled.computation, tensor), place});
  }
}

}  // namespace altrt::plan
