#include "tuner/measure/host_runner.h"

#include <algorithm>
#include <cstring>

#include "jit/kernel/call_poisoned.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/trace.h"
#include "runtime/plan/plan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace altrt::tuner {
namespace {

constexpr int64_t kSizes[1] = {0};
constexpr int64_t kPieces = 32;  // of a kernel whose run can be cut off

}  // namespace

void HostRunner::prepare(int64_t workspace_bytes) {
  const auto bytes = static_cast<size_t>(workspace_bytes);
  if (workspaces_.empty() || workspaces_[0].size() < bytes) {
    workspaces_.clear();
    for (int t = 0; t < team_.threads(); ++t) workspaces_.emplace_back(bytes);
  }
  for (base::AlignedBuffer& workspace : workspaces_) std::memset(workspace.data(), 0xff, workspace.size());
}

std::optional<double> HostRunner::run(std::span<const HostCall> calls, base::Team::Lease& lease,
                                      base::FunctionRef<bool()> over) {
  const base::FloatEnvironment float_environment;
  const base::Stopwatch watch;
  for (const HostCall& one : calls) {
    const int64_t piece = std::max<int64_t>(lease.threads(), one.tasks / kPieces);
    for (int64_t first = 0; first < one.tasks; first += piece) {
      call(one, lease, first, std::min(first + piece, one.tasks), true);
      if (over()) return std::nullopt;
    }
  }
  return watch.milliseconds();
}

double HostRunner::time(std::span<const HostCall> calls, base::Team::Lease& lease) {
  const base::FloatEnvironment float_environment;
  const base::Stopwatch watch;
  for (const HostCall& one : calls) call(one, lease, 0, one.tasks, false);
  return watch.milliseconds();
}

void HostRunner::evict(base::Team::Lease& lease) {
  const auto piece = static_cast<size_t>(l2_bytes_);
  const auto pieces = 2 * static_cast<size_t>(team_.threads());
  if (filler_.size() != piece * pieces) {
    filler_ = base::AlignedBuffer(piece * pieces);
    filler_.zero();
  }
  const auto* bytes = filler_.as<volatile uint8_t>();
  lease.run(static_cast<int64_t>(pieces), 1, [&](int64_t first, int64_t last, int) {
    for (size_t i = static_cast<size_t>(first) * piece; i < static_cast<size_t>(last) * piece; i += 64) (void)bytes[i];
  });
}

void HostRunner::flush(const void* memory, size_t bytes) {
#if defined(__x86_64__)
  const auto* at = static_cast<const char*>(memory);
  for (size_t i = 0; i < bytes; i += 64) _mm_clflush(at + i);
  _mm_mfence();
#else
  (void)memory;
  (void)bytes;
#endif
}

void HostRunner::restore(void* to, const void* from, size_t bytes, base::Team::Lease& lease) {
  constexpr int64_t kPiece = 16 << 10;
  const auto end = static_cast<int64_t>(bytes);
  lease.run((end + kPiece - 1) / kPiece, 1, [&](int64_t first, int64_t last, int) {
    const int64_t stop = std::min(end, last * kPiece);
    std::memcpy(static_cast<uint8_t*>(to) + first * kPiece, static_cast<const uint8_t*>(from) + first * kPiece,
                static_cast<size_t>(stop - first * kPiece));
  });
}

// Tasks [first, last) of a kernel, as a plan runs them.
void HostRunner::call(const HostCall& call, base::Team::Lease& lease, int64_t first, int64_t last, bool poisoned) {
  const auto work = [&](int64_t from, int64_t to, int worker) {
    void* const workspace = workspaces_[static_cast<size_t>(worker)].data();
    if (poisoned) {
      return jit::call_poisoned(call.function, call.arguments.data(), kSizes, workspace, first + from, first + to);
    }
    call.function(call.arguments.data(), kSizes, workspace, first + from, first + to);
  };
  const int64_t tasks = last - first;
  if (tasks == 0) return;
  if (!call.parallel || lease.threads() == 1) return work(0, tasks, 0);
  const int64_t inner = tasks == call.tasks ? call.inner : tasks;
  lease.run(plan::team_loop(tasks, inner, lease.threads()), work);
}

}  // namespace altrt::tuner
