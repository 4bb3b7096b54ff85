// A worker's faults as its last words: a signal, the end of its memory, LLVM giving up.
#pragma once

#include "runtime/base/team.h"

namespace altrt::tuner {

/// Once, before all else; the words go to `socket`.
void catch_faults(int socket);
/// The team's threads block signals: a fault there would end the process in silence.
void catch_faults_in(base::Team& team);
/// Ends the process with the words.
[[noreturn]] void die(const char* reason, bool out_of_memory);

/// Memory beside which nothing is to be touched.
void watch_region(const void* begin, const void* end);
void forget_region(const void* begin);

}  // namespace altrt::tuner
