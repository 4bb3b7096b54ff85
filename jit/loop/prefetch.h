// Software pipelining of GPU nests: what the next iteration needs is on its way while this one computes.
#pragma once

#include <string>
#include <vector>

#include "jit/loop/nest.h"

namespace altrt::jit {

/// In the serial loop `loop`, whose body fills the group-scope buffers and then reads them: the values for the next
/// iteration are fetched into registers before this one's are read, and put into the buffers when it begins; those for
/// the first before the loop. Before barriers are inserted. Nothing happens where there is no such loop (it has one
/// iteration). Error(invalid_argument) with the reason if the body is of another form.
void prefetch(Nest& nest, const std::string& loop, const std::vector<std::string>& buffers);

}  // namespace altrt::jit
