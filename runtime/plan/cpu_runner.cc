#include <altrt/error.h>

#include <algorithm>
#include <new>
#include <utility>

#include "runtime/base/buffer.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/trace.h"
#include "runtime/plan/runners.h"

namespace altrt::plan {
namespace {

// Chunks per thread of a shared step: small enough to even out the ends, large enough to keep the counter cool.
constexpr int64_t kChunksPerThread = 8;
// Between two threads' workspaces: what a core reads ahead behind its own would be taken from another that writes it.
constexpr size_t kWorkspacesApart = 64 << 10;
// No kernel reads a run-time extent while all shapes are fixed when the session is made.
constexpr int64_t kSizes[1] = {0};

class CpuRunner final : public Runner {
 public:
  CpuRunner(std::shared_ptr<const Plan> plan, int threads);

  void bind(std::span<const Address> inputs, std::span<const Address> outputs) override;
  void run(base::Team::Lease& lease) override;
  void profile(base::Team::Lease& lease, std::span<double> milliseconds) override;
  void set_stream(void* stream) override;

 private:
  void run_step(size_t number, base::Team::Lease& lease);
  void* workspace(int worker) { return static_cast<uint8_t*>(workspaces_.data()) + worker * workspace_stride_; }

  base::AlignedBuffer arena_;
  base::AlignedBuffer workspaces_;
  int64_t workspace_stride_ = 0;
  std::vector<const void*> arguments_;               // of all steps, one after the other
  std::vector<size_t> first_argument_;               // by step
  std::vector<std::vector<TensorView>> host_views_;  // by step; empty for other steps
};

CpuRunner::CpuRunner(std::shared_ptr<const Plan> plan, int threads)
    : Runner(std::move(plan)), arena_(static_cast<size_t>(plan_->arena_bytes)) {
  const size_t stride =
      base::round_up(static_cast<size_t>(plan_->workspace_bytes), base::kAlignment) + kWorkspacesApart;
  workspace_stride_ = static_cast<int64_t>(stride);
  workspaces_ = base::AlignedBuffer(stride * static_cast<size_t>(std::max(threads, 1)));
  arena_.zero();
  workspaces_.zero();
  for (const PaddedRegion& region : plan_->padded) {
    jit::fill_padding(region.type, region.shape, region.layout, arena_.as<uint8_t>() + region.offset);
  }
  for (const Step& step : plan_->steps) {
    first_argument_.push_back(arguments_.size());
    for (const Location& argument : step.arguments) {
      const void* pointer = nullptr;
      if (argument.place == Place::arena) {
        pointer = arena_.as<uint8_t>() + plan_->storages[static_cast<size_t>(argument.index)].offset;
      } else if (argument.place == Place::constant) {
        pointer = plan_->constants[static_cast<size_t>(argument.index)].get();
      }
      arguments_.push_back(pointer);
    }
    host_views_.push_back(step.host ? step.host->views : std::vector<TensorView>{});
  }
}

void CpuRunner::bind(std::span<const Address> inputs, std::span<const Address> outputs) {
  size_t at = 0;
  for (const Step& step : plan_->steps) {
    for (const Location& argument : step.arguments) {
      if (argument.place == Place::input) arguments_[at] = inputs[static_cast<size_t>(argument.index)].data;
      if (argument.place == Place::output) arguments_[at] = outputs[static_cast<size_t>(argument.index)].data;
      ++at;
    }
  }
}

void CpuRunner::run_step(size_t number, base::Team::Lease& lease) {
  const Step& step = plan_->steps[number];
  const void* const* arguments = arguments_.data() + first_argument_[number];
  if (step.kind == StepKind::host) return run_host(*step.host, {arguments, step.arguments.size()}, host_views_[number]);
  if (step.tasks == 0) return;
  const auto work = [&](int64_t first, int64_t last, int worker) {
    if (step.kind == StepKind::kernel) {
      step.function(arguments, kSizes, workspace(worker), first, last);
    } else {
      step.permute->run(arguments[0], const_cast<void*>(arguments[1]), first, last);
    }
  };
  if (!step.parallel || lease.threads() == 1) return work(0, step.tasks, 0);
  lease.run(team_loop(step.tasks, step.inner, lease.threads()), work);
}

void CpuRunner::run(base::Team::Lease& lease) {
  const base::FloatEnvironment float_environment;
  for (size_t i = 0; i < plan_->steps.size(); ++i) run_step(i, lease);
}

void CpuRunner::profile(base::Team::Lease& lease, std::span<double> milliseconds) {
  const base::FloatEnvironment float_environment;
  for (size_t i = 0; i < plan_->steps.size(); ++i) {
    const base::Stopwatch watch;
    run_step(i, lease);
    milliseconds[static_cast<size_t>(plan_->steps[i].report)] += watch.milliseconds();
  }
}

void CpuRunner::set_stream(void*) {
  throw Error(ErrorCode::invalid_argument, "there is no stream on the CPU: only sessions on a device have some");
}

}  // namespace

int64_t chunk(int64_t tasks, int threads) { return std::max<int64_t>(1, tasks / (kChunksPerThread * threads)); }

base::TeamLoop team_loop(int64_t tasks, int64_t inner, int threads) {
  return {tasks / inner, inner, chunk(tasks, threads)};
}

void run_host(const HostCall& call, std::span<const void* const> arguments, std::span<TensorView> views) {
  for (size_t i = 0; i < views.size(); ++i) {
    const int argument = call.argument_of_view[i];
    if (argument >= 0) views[i].data = const_cast<void*>(arguments[static_cast<size_t>(argument)]);
  }
  std::span<TensorView> outputs = views.subspan(call.inputs);
  try {
    call.function(call.info, views.first(call.inputs), outputs);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, call.info.where + ": out of memory");
  } catch (const std::exception& error) {
    throw Error(ErrorCode::internal, call.info.where + ": " + error.what());
  }
}

std::unique_ptr<Runner> make_runner(std::shared_ptr<const Plan> plan, int threads) {
  if (plan->device) return make_device_runner(std::move(plan));
  return std::make_unique<CpuRunner>(std::move(plan), threads);
}

}  // namespace altrt::plan
