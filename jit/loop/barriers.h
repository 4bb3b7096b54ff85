// Barriers of GPU nests.
#pragma once

#include "jit/loop/nest.h"

namespace altrt::jit {

/// Puts barriers between the threads' accesses to group-scope buffers: where one part of the body reads what another
/// part has written, or writes what it reads or writes, next to it or in the next iteration of a loop. Barriers that
/// the body has already count. Error(invalid_argument) where not all threads would reach a barrier or a shuffle, or a
/// thread loop stands in a part that only some threads run.
void insert_barriers(Nest& nest);

}  // namespace altrt::jit
