// Thread-scope buffers whose every index is constant once unrolled and vector loops are replaced become register tiles.
#pragma once

#include "jit/loop/nest.h"

namespace altrt::jit {

void promote_to_registers(Nest& nest);

}  // namespace altrt::jit
