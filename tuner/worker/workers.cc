#include "tuner/worker/workers.h"

#include <altrt/error.h>

#include "jit/cpu/cpu.h"
#include "runtime/base/log.h"

namespace altrt::tuner {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kCompileMs = 20'000;
#else
constexpr double kCompileMs = 800;  // fifty times what a kernel within the size caps takes
#endif
// Beyond workspaces and tensors a kernel needs next to nothing; the less it can get, the sooner it is found out.
constexpr int64_t kRunBytes = int64_t{256} << 20, kCompileBytes = int64_t{1} << 30;

Setup setup_of(const base::Team& team, const jit::Target& target, bool runs_kernels) {
  Setup setup;
  setup.threads = runs_kernels ? team.threads() : 1;
  setup.runs_kernels = runs_kernels;
  setup.spin_us = team.spin_us();
  setup.l2_bytes = target.l2_bytes;
  setup.memory_bytes = runs_kernels ? kRunBytes : kCompileBytes;
  return setup;
}

}  // namespace

std::shared_ptr<Workers> Workers::start(const base::Team& team, const jit::Target& target) {
  std::string reason;
  try {
    const std::string program = find_worker();
    if (!program.empty()) {
      auto workers = std::make_shared<Workers>(program, team, target);
      workers->runner().start();
      return workers;
    }
    reason = "there is no altrt-worker beside the library";
  } catch (const Error& error) {
    reason = error.what();
  }
  base::log(base::LogLevel::warning, "tuning: candidates run in this process: " + reason);
  return nullptr;
}

Workers::Workers(const std::string& program, const base::Team& team, const jit::Target& target)
    : runner_(program, setup_of(team, target, true)), regions_(runner_) {
  for (int t = 0; t < team.threads(); ++t) {
    compilers_.push_back(std::make_unique<WorkerProcess>(program, setup_of(team, target, false)));
  }
}

void Workers::lose(const std::string& reason) {
  if (lost_.exchange(true)) return;
  base::log(base::LogLevel::warning, "tuning: candidates run in this process from now on: " + reason);
}

jit::Emitter Workers::emitter(int thread) {
  if (lost_) return {};
  WorkerProcess& process = *compilers_[static_cast<size_t>(thread)];
  return [this, &process](std::span<const uint8_t> bitcode, const jit::Target& target) -> std::vector<uint8_t> {
    try {
      process.start();
    } catch (const Error& error) {
      lose(error.what());
      return jit::cpu::emit(bitcode, target);
    }
    const Writer writer = Writer().add_text(target.triple).add_text(target.features).add_bytes(bitcode);
    try {
      const std::vector<uint8_t> answer = process.ask(Ask::compile, writer, kCompileMs, 0, [] { return false; });
      const std::span<const uint8_t> object = Reader(answer).get_bytes();
      return {object.begin(), object.end()};
    } catch (const CandidateDied& death) {
      throw CandidateDied(std::string("compiling: ") + death.what(), false);
    }
  };
}

}  // namespace altrt::tuner
