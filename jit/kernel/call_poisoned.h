// Runs kernels so that what they read before they write it shows.
#pragma once

#include "jit/kernel/kernel.h"

namespace altrt::jit {

/// Calls the kernel with NaN in every vector register and on the stack. On other processors than x86-64 it calls it.
void call_poisoned(KernelFunction function, const void* const* buffers, const int64_t* sizes, void* workspace,
                   int64_t first, int64_t last);

}  // namespace altrt::jit
