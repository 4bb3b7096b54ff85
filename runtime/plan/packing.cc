// Constants of the graph in the layouts that kernels read.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "runtime/base/buffer.h"
#include "runtime/base/deferred.h"
#include "runtime/base/throwing.h"
#include "runtime/plan/builder.h"
#include "runtime/plan/slabs.h"

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
  const base::DeferredBytes* deferred = base::deferred_bytes(*data);
  const int64_t packed =
      jit::physical_elements(layout, extents(data->shape())) * static_cast<int64_t>(size_of(data->type()));
  clear_from(memory, static_cast<size_t>(packed), room);
  const Slabs slabs(*data, layout);
  if (deferred && !deferred->in_memory() && slabs.count() > 1) return permute_slabs(*deferred, slabs, memory);
  const Constant from = bytes_of(data);
  const jit::Permute permute(data->type(), data->shape(), {}, layout);
  team_.run(permute.tasks(), chunk(permute.tasks(), team_.threads()),
            [&](int64_t first, int64_t last, int) { permute.run(from.get(), memory, first, last); });
}

// Each thread reads what it packs, while it is in cache.
void Builder::permute_slabs(const base::DeferredBytes& data, const Slabs& slabs, void* memory) {
  const size_t stride = base::round_up(slabs.bytes(), base::kAlignment);
  const std::shared_ptr<void> scratch = scratch_.take(stride * static_cast<size_t>(team_.threads()));
  const jit::Permute whole = slabs.permute(false), last_one = slabs.permute(true);
  base::run_throwing(team_, slabs.count(), 1, [&](int64_t first, int64_t last, int worker) {
    auto* const piece = static_cast<uint8_t*>(scratch.get()) + static_cast<size_t>(worker) * stride;
    for (int64_t s = first; s < last; ++s) {
      const size_t offset = static_cast<size_t>(s) * slabs.bytes();
      data.read(piece, offset, std::min(slabs.bytes(), data.size() - offset));
      const jit::Permute& permute = s + 1 == slabs.count() ? last_one : whole;
      permute.run(piece, static_cast<uint8_t*>(memory) + s * whole.bytes_to(), 0, permute.tasks());
    }
  });
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
