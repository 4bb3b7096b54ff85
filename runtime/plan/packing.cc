// Constants of the graph in the layouts that kernels read.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "runtime/base/deferred.h"
#include "runtime/plan/builder.h"

namespace altrt::plan {
namespace {

void clear_from(void* memory, size_t from, size_t to) {
  std::memset(static_cast<uint8_t*>(memory) + from, 0, to - from);
}

}  // namespace

std::shared_ptr<void> Builder::memory_for(size_t bytes, Purpose purpose) {
  return stream_ || purpose == Purpose::load ? scratch_.take(bytes) : constants_.allocate(bytes);
}

Constant Builder::bytes_of(const std::shared_ptr<const Tensor>& data) {
  const base::DeferredBytes* deferred = base::deferred_bytes(*data);
  if (!deferred || deferred->in_memory()) return Constant(data, data->data());
  const auto room = static_cast<size_t>(buffer_bytes(data->type(), data->shape(), {}));
  std::shared_ptr<void> memory = scratch_.take(room);
  deferred->read(memory.get(), team_);
  clear_from(memory.get(), data->bytes(), room);
  return memory;
}

// Writes all of the memory, which has `room` bytes.
void Builder::permute(const std::shared_ptr<const Tensor>& data, const jit::Layout& layout, void* memory, size_t room) {
  const Constant from = bytes_of(data);
  const jit::Permute permute(data->type(), data->shape(), {}, layout);
  team_.run(permute.tasks(), std::max<int64_t>(1, permute.tasks() / (int64_t{8} * team_.threads())),
            [&](int64_t first, int64_t last, int) { permute.run(from.get(), memory, first, last); });
  clear_from(memory, static_cast<size_t>(permute.bytes_to()), room);
}

Constant Builder::pack(const std::shared_ptr<const Tensor>& data, const jit::Layout& layout, Purpose purpose) {
  const auto room = static_cast<size_t>(buffer_bytes(data->type(), data->shape(), layout));
  if (layout.is_plain()) {
    const base::DeferredBytes* deferred = base::deferred_bytes(*data);
    if (stream_) return upload(bytes_of(data).get(), data->bytes(), room);
    if (!deferred || deferred->in_memory() || purpose == Purpose::load) return bytes_of(data);
    std::shared_ptr<void> memory = memory_for(room, purpose);
    deferred->read(memory.get(), team_);
    return memory;
  }
  std::shared_ptr<void> memory = memory_for(room, purpose);
  permute(data, layout, memory.get(), room);
  return stream_ ? upload(memory.get(), room, room) : memory;
}

Constant Builder::pack_together(const Binding& binding, int host, const std::vector<int>& sources, Purpose purpose) {
  const jit::Computation& c = binding.code->compiled->computation;
  const auto data_of = [&](int tensor) { return value(constant_of(binding, tensor)).data; };
  const std::shared_ptr<const Tensor> first = data_of(host);
  const jit::Layout layout = binding.stored.layout(c, host);
  const auto room = static_cast<size_t>(buffer_bytes(first->type(), first->shape(), layout));
  std::shared_ptr<void> memory = memory_for(room, purpose);
  permute(first, layout, memory.get(), room);
  for (const int source : sources) {
    const std::shared_ptr<const Tensor> data = data_of(source);
    jit::store_source(data->type(), data->shape(), binding.stored.layout(c, source), bytes_of(data).get(),
                      memory.get());
  }
  return stream_ ? upload(memory.get(), room, room) : memory;
}

}  // namespace altrt::plan
