// Kernels whose inputs are all constant run once, when the plan is built.
#include <utility>

#include "runtime/base/buffer.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/hash.h"
#include "runtime/plan/builder.h"

namespace altrt::plan {
namespace {

struct ConstantOutputs {
  std::vector<base::AlignedBuffer> buffers;
};

}  // namespace

void Builder::run_constant_kernel(Binding& binding, int k) {
  const jit::CompiledGroup& compiled = *binding.code->compiled;
  const jit::CompiledKernel& kernel = compiled.kernels[static_cast<size_t>(k)];
  const auto& tensors = compiled.computation.tensors;
  std::vector<size_t> outputs;
  std::string key = "kernel " + base::hex(base::hash_bytes(kernel.object.bytes.data(), kernel.object.bytes.size()));
  for (size_t a = 0; a < kernel.arguments.size(); ++a) {
    const int tensor = kernel.arguments[a];
    if (kernel.written[a]) outputs.push_back(a);
    key += " " + std::to_string(value_of(binding, tensor));
  }
  key += " of group " + std::to_string(binding.group);

  const auto make = [&]() -> Constant {
    auto made = std::make_shared<ConstantOutputs>();
    std::vector<const void*> arguments(kernel.arguments.size(), nullptr);
    for (const size_t a : outputs) {
      const jit::TensorDecl& decl = tensors[static_cast<size_t>(kernel.arguments[a])];
      const auto found = compiled.layouts.find(decl.name);
      const jit::Layout layout = found == compiled.layouts.end() ? jit::Layout{} : found->second;
      const std::vector<int64_t> shape = plain_shape(decl.shape);
      base::AlignedBuffer& buffer =
          made->buffers.emplace_back(static_cast<size_t>(buffer_bytes(decl.type, shape, layout)));
      buffer.zero();
      if (layout.has_filled_padding()) jit::fill_padding(decl.type, shape, layout, buffer.data());
      arguments[a] = buffer.data();
    }
    for (size_t a = 0; a < arguments.size(); ++a) {
      if (arguments[a]) continue;
      const Location place = place_of(binding, kernel.arguments[a], true);
      if (place.place != Place::constant) {
        throw Error(ErrorCode::internal, "plan: constant kernel '" + kernel.object.name + "' reads a variable");
      }
      arguments[a] = plan_.constants[static_cast<size_t>(place.index)].get();
    }
    const jit::KernelFunction function = binding.code->loaded[static_cast<size_t>(k)]->function();
    const auto workspace_bytes = static_cast<size_t>(kernel.object.workspace_bytes);
    std::vector<base::AlignedBuffer> workspaces;
    for (int t = 0; t < team_.threads(); ++t) workspaces.emplace_back(workspace_bytes);
    const int64_t sizes[1] = {0};
    const base::FloatEnvironment float_environment;
    team_.run(kernel.tasks, 1, [&](int64_t first, int64_t last, int worker) {
      function(arguments.data(), sizes, workspaces[static_cast<size_t>(worker)].data(), first, last);
    });
    return made;
  };
  const Constant holder = weights_.get(key, make);
  const auto* made = static_cast<const ConstantOutputs*>(holder.get());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int tensor = kernel.arguments[outputs[i]];
    const Location place = new_constant(Constant(holder, made->buffers[i].data()));
    binding.places[tensor] = place;
    const int number = value_of(binding, tensor);
    if (number < 0 || tensors[static_cast<size_t>(tensor)].role != jit::Role::output) continue;
    const auto layout = compiled.layouts.find(tensors[static_cast<size_t>(tensor)].name);
    instances_[static_cast<size_t>(number)].push_back(
        {layout == compiled.layouts.end() ? jit::Layout{} : layout->second, place});
  }
}

}  // namespace altrt::plan
