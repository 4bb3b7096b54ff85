// Workers whose compilers now and then give back a kernel of another kind than was asked for.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "jit/kernel/kernel.h"
#include "tuner/worker/workers.h"

namespace altrt::tuner {

/// Bitcode that takes LLVM minutes or all memory.
std::vector<uint8_t> compile_bomb();

/// "loop", "crash", "beside", "wild", "memory", "abort", "bomb".
const std::vector<std::string>& bad_kinds();

class BadWorkers final : public Workers {
 public:
  /// Of every `each` candidates one is bad; the kinds take turns. The reference is always good.
  BadWorkers(const base::Team& team, const jit::Target& target, std::vector<std::string> kinds, int each);

  jit::Emitter emitter(int thread) override;
  int count(const std::string& kind) const;
  int count() const;
  bool is_bad(const jit::KernelObject& object) const;

 private:
  std::vector<uint8_t> emit(const jit::Emitter& real, std::span<const uint8_t> bitcode, const jit::Target& target);

  const std::vector<std::string> kinds_;
  const int each_;
  std::vector<uint8_t> bomb_;
  mutable std::mutex mutex_;
  int candidates_ = 0;
  size_t next_ = 0;
  std::map<std::string, int> counts_;
  std::set<std::vector<uint8_t>> bad_;
};

/// Of this process's environment, for the program's lifetime.
void use_worker();

}  // namespace altrt::tuner
