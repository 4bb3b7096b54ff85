#include "runtime/plan/scratch.h"

#include <algorithm>

#include "runtime/base/buffer.h"

namespace altrt::plan {

std::shared_ptr<void> ScratchMemory::take(size_t bytes) {
  const auto is_free = [](const Buffer& buffer) { return buffer.memory.use_count() == 1; };
  const auto fits = [&](const Buffer& buffer) { return is_free(buffer) && buffer.bytes >= bytes; };
  auto found = std::find_if(buffers_.begin(), buffers_.end(), fits);
  if (found == buffers_.end()) {
    std::erase_if(buffers_, is_free);
    const size_t size = std::max(usual_, bytes);
    found = buffers_.insert(buffers_.end(), {base::allocate_zero(size), size});
  }
  return found->memory;
}

}  // namespace altrt::plan
