// Fibres: stacks that a thread switches between. A switch costs a few nanoseconds, so that hundreds of barriers of
// hundreds of simulated threads cost nothing that counts.
#pragma once

#include <cstddef>
#include <vector>

// Code on a fibre's stack would confuse the sanitizers' picture of the stack.
#define ALTRT_ON_FIBRE __attribute__((no_sanitize("address", "thread"), noinline))

namespace altrt::cuda_host {

/// Stacks of one size, each with a page in front of it that can't be touched.
class Stacks {
 public:
  explicit Stacks(size_t bytes);
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  /// The end of a stack that nobody uses: the one given back last.
  void* take();
  void give(void* end) { free_.push_back(end); }
  /// Whether the address lies in any stack.
  bool hold(const void* address) const;

 private:
  size_t bytes_, page_;
  std::vector<void*> chunks_;
  std::vector<void*> free_;
};

/// A suspended flow of control; good for one resume.
using Fibre = void*;

/// main(argument) on that stack, at its start. It must never return.
Fibre make_fibre(void* stack_end, void (*main)(void*), void* argument);
/// Suspends the caller into `from` and goes on with `to`.
extern "C" void altrt_switch_fibre(Fibre* from, Fibre to);

}  // namespace altrt::cuda_host
