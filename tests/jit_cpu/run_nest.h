// Machine code as an executor of nests.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "jit/cpu/cpu.h"
#include "jit/kernel/call_poisoned.h"
#include "jit/loop/nest.h"
#include "runtime/base/buffer.h"

namespace altrt::jit {

/// Runs the nest's tasks in pieces, the last piece first: tasks depend on no order. The workspace lies between guard
/// pages; it is NaN before each piece, as registers and the stack are. False if bytes beside it were written.
inline bool run_loaded(const LoadedKernel& kernel, int64_t workspace_bytes, const Nest& nest,
                       const std::vector<void*>& arguments) {
  base::GuardedBuffer workspace(static_cast<size_t>(workspace_bytes));
  const std::vector<const void*> buffers(arguments.begin(), arguments.end());
  const int64_t tasks = nest.tasks(), piece = std::max<int64_t>(1, tasks / 3);
  for (int64_t first = (tasks - 1) / piece * piece; first >= 0; first -= piece) {
    std::memset(workspace.data(), 0xff, workspace.size());
    call_poisoned(kernel.function(), buffers.data(), nullptr, workspace.data(), first, std::min(tasks, first + piece));
  }
  return workspace.intact();
}

inline bool run_object(const KernelObject& object, const Nest& nest, const std::vector<void*>& arguments) {
  return run_loaded(*cpu::load({object})[0], object.workspace_bytes, nest, arguments);
}

}  // namespace altrt::jit
