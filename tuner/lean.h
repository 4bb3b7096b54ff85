// What tuning leaves out where memory is to be saved: algorithms that keep several times the weights.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tuner/task.h"

namespace altrt::tuner {

/// Bytes of the constants, given ones and those made of them at load, that later stages read.
int64_t kept_bytes(const jit::Computation& c);

/// Per task, the algorithms that lean sessions may choose from: those that keep no more bytes than the untuned plan's,
/// and others where most work is done for each byte more, until all groups together may keep `allowance` bytes more.
std::vector<std::set<std::string>> lean_algorithms(const std::vector<Task>& tasks, int64_t allowance);

}  // namespace altrt::tuner
