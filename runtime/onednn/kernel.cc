#include "runtime/onednn/kernel.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <altrt/error.h>

namespace altrt::onednn {
namespace {

// The state is the buffer behind the arguments.
template <int kArguments>
void run_kernel(const void* const* buffers, const int64_t*, void* workspace, int64_t first, int64_t last) {
  static_cast<const Kernel*>(buffers[kArguments])->run(buffers, workspace, first, last);
}

int dnnl_argument(Operand operand, const Primitive& primitive) {
  switch (operand) {
    case kSource:
      return DNNL_ARG_SRC;
    case kWeights:
      return DNNL_ARG_WEIGHTS;
    case kDestination:
      return DNNL_ARG_DST;
    case kBias:
      return DNNL_ARG_BIAS;
    default:
      return primitive.residual_argument;
  }
}

}  // namespace

OneThread::OneThread() : before_(omp_get_max_threads()) {
  if (before_ != 1) omp_set_num_threads(1);
}

OneThread::~OneThread() {
  if (before_ != 1) omp_set_num_threads(before_);
}

// What one execution of a task needs and nobody else may use meanwhile.
struct Kernel::Bound {
  dnnl::stream stream;
  dnnl::memory memory[kOperands], scratchpad;
  std::unordered_map<int, dnnl::memory> arguments;  // the same objects

  Bound(const dnnl::engine& engine, const Primitive& primitive, const std::vector<Operand>& operands)
      : stream(engine), scratchpad(primitive.scratchpad, engine, nullptr) {
    for (const Operand operand : operands) {
      const int argument = dnnl_argument(operand, primitive);
      if (argument == 0) continue;
      memory[operand] = dnnl::memory(primitive.descs[operand], engine, nullptr);
      arguments.emplace(argument, memory[operand]);
    }
    arguments.emplace(DNNL_ARG_SCRATCHPAD, scratchpad);
  }
};

Kernel::Kernel(dnnl::engine engine, std::vector<Primitive> primitives, std::vector<Task> tasks,
               std::vector<int> arguments, std::vector<Operand> operands)
    : engine_(std::move(engine)),
      primitives_(std::move(primitives)),
      tasks_(std::move(tasks)),
      arguments_(std::move(arguments)),
      operands_(std::move(operands)),
      idle_(tasks_.size()) {
  for (const Primitive& primitive : primitives_) {
    workspace_bytes_ = std::max(workspace_bytes_, static_cast<int64_t>(primitive.scratchpad.get_size()));
  }
  for (size_t task = 0; task < tasks_.size(); ++task) {
    idle_[task].front() = new Bound(engine_, primitives_[static_cast<size_t>(tasks_[task].primitive)], operands_);
  }
}

Kernel::~Kernel() {
  for (Idle& task : idle_) {
    for (std::atomic<Bound*>& slot : task) delete slot.load();
  }
}

std::unique_ptr<Kernel::Bound> Kernel::take(size_t task) const {
  for (std::atomic<Bound*>& slot : idle_[task]) {
    if (slot.load(std::memory_order_relaxed) == nullptr) continue;
    if (Bound* bound = slot.exchange(nullptr, std::memory_order_acquire)) return std::unique_ptr<Bound>(bound);
  }
  return std::make_unique<Bound>(engine_, primitives_[static_cast<size_t>(tasks_[task].primitive)], operands_);
}

void Kernel::give_back(size_t task, std::unique_ptr<Bound> bound) const {
  for (std::atomic<Bound*>& slot : idle_[task]) {
    Bound* empty = nullptr;
    if (slot.compare_exchange_strong(empty, bound.get(), std::memory_order_release, std::memory_order_relaxed)) {
      bound.release();
      return;
    }
  }
}

jit::KernelFunction Kernel::function() const {
  switch (arguments_.size()) {
    case 3:
      return run_kernel<3>;
    case 4:
      return run_kernel<4>;
    default:
      return run_kernel<5>;
  }
}

void Kernel::run(const void* const* buffers, void* workspace, int64_t first, int64_t last) const {
  const OneThread one_thread;
  for (int64_t task = first; task < last; ++task) run_task(static_cast<size_t>(task), buffers, workspace);
}

void Kernel::run_task(size_t number, const void* const* buffers, void* workspace) const {
  const Task& task = tasks_[number];
  const Primitive& primitive = primitives_[static_cast<size_t>(task.primitive)];
  std::unique_ptr<Bound> bound = take(number);
  float* at[kOperands] = {};
  for (size_t i = 0; i < operands_.size(); ++i) {
    const Operand operand = operands_[i];
    at[operand] = static_cast<float*>(const_cast<void*>(buffers[i])) + task.offsets[operand];
    if (bound->memory[operand]) bound->memory[operand].set_data_handle(at[operand]);
  }
  bound->scratchpad.set_data_handle(workspace);
  if (primitive.residual_is_added && at[kResidual] != at[kDestination]) {
    std::memcpy(at[kDestination], at[kResidual], primitive.descs[kDestination].get_size());
  }
  primitive.primitive.execute(bound->stream, bound->arguments);
  give_back(number, std::move(bound));
}

}  // namespace altrt::onednn
