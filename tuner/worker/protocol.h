// What a tuning and its workers say to each other. Both are built from the same tree: a worker that is not is refused
// by its greeting.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "runtime/base/build_info.h"

namespace altrt::tuner {

/// To be raised with every change of the messages' form or meaning.
inline constexpr uint32_t kProtocol = 1;
/// The descriptor of the worker's end of the socket.
inline constexpr int kWorkerSocket = 3;

/// What a worker greets with; the tuning expects its own.
inline std::string greeting() {
  const base::BuildInfo info = base::build_info();
  return std::string("altrt-worker ") + info.version + " (" + info.commit + ", LLVM " + info.llvm + ", protocol " +
         std::to_string(kProtocol) + ")";
}

enum class Ask : uint32_t {
  setup = 1,  // Setup, with the descriptor of a page that holds Control; no answer
  compile,    // triple, features, bitcode; object
  map,        // Mapping, with a descriptor; no answer
  place,      // Mapping of the same id for another tensor; no answer
  unmap,      // id; no answer
  load,       // count, then for each kernel its id, name, entry, bytes; no answer
  unload,     // id; no answer
  run         // Run; whether it ran to its end, milliseconds
};

enum class Answer : uint32_t {
  greeting = 1,  // text
  done,          // what was asked for
  error,         // ErrorCode, text: of this or of an earlier message that has no answer
  last_words     // LastWords: the worker ends
};

struct Setup {
  int32_t threads = 1;
  int32_t runs_kernels = 0;  // else it compiles only
  int64_t spin_us = 0;
  int64_t l2_bytes = 0;
  int64_t memory_bytes = 0;  // of its own, beyond which it gets none
};

/// Memory that both see.
struct Control {
  std::atomic<uint32_t> stop{0};  // ends a run between two pieces of work
};

/// A tensor's memory: `inner` bytes between guard pages, in them the tensor from `offset`; behind it in the file,
/// `kept` bytes of what restores it.
struct Mapping {
  uint64_t id = 0;
  uint64_t owner = 0;  // only the memory of the owner of a run can be touched in it
  uint64_t inner = 0, offset = 0, size = 0, kept = 0;
  int32_t writable = 1;
};

/// Runs kernels in a state of the caches. Then follow the ids of memory to push out of all caches and of memory to
/// restore, each with its count, and the calls, each with its kernel, tasks, whether it is parallel, inner tasks, and
/// arguments.
struct Run {
  uint64_t owner = 0;
  int64_t workspace_bytes = 0;
  int32_t fill_workspace = 0, evict = 0, without_break = 0;
};

struct LastWords {
  enum Why : int32_t { signal, out_of_memory, aborted };
  int32_t why = signal;
  int32_t number = 0;  // of the signal
  int32_t beside = 0;  // it touched what lies beside a tensor, or wrote to one that never changes
  char text[244] = {};
};

}  // namespace altrt::tuner
