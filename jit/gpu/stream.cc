#include "jit/gpu/stream.h"

#include <altrt/error.h>

#include <algorithm>
#include <limits>

#include "jit/gpu/loaded.h"

namespace altrt::jit::gpu {
namespace {

// More launches than that are waited for, so that what is pending stays small.
constexpr size_t kMostPending = 1024;

CuAddress address(const void* pointer) { return reinterpret_cast<CuAddress>(pointer); }

std::string bytes_text(size_t bytes) { return std::to_string(bytes) + " bytes"; }

[[noreturn]] void misuse(const std::string& message) { throw Error(ErrorCode::internal, message); }

const GpuKernel& kernel_of(const Launch& launch, const Context* context) {
  const auto* kernel = dynamic_cast<const GpuKernel*>(launch.kernel.get());
  if (!kernel || kernel->context() != context) misuse("launch of a kernel that another device has loaded");
  if (launch.blocks < 1 || launch.blocks > std::numeric_limits<int32_t>::max()) {
    misuse("launch of kernel " + kernel->name() + " with " + std::to_string(launch.blocks) + " blocks");
  }
  return *kernel;
}

/// Where each argument lies, which is what CUDA asks for.
void** parameters_of(std::span<void* const> arguments, std::vector<void*>& parameters) {
  parameters.clear();
  for (void* const& argument : arguments) parameters.push_back(const_cast<void**>(&argument));
  return parameters.data();
}

CuKernelNode node_of(const Launch& launch, const GpuKernel& kernel, void** parameters) {
  CuKernelNode node = {};
  node.function = kernel.handle();
  node.grid_x = static_cast<unsigned>(launch.blocks);
  node.block_x = static_cast<unsigned>(kernel.threads());
  node.grid_y = node.grid_z = node.block_y = node.block_z = 1;
  node.parameters = parameters;
  return node;
}

CuStream make_stream(const Context& context) {
  const Current current(context);
  CuStream stream = nullptr;
  context.check(context.driver().cuStreamCreate(&stream, kCuStreamNonBlocking), "cuStreamCreate");
  return stream;
}

CuGraph make_graph(const Context& context) {
  const Current current(context);
  CuGraph graph = nullptr;
  context.check(context.driver().cuGraphCreate(&graph, 0), "cuGraphCreate");
  return graph;
}

CuEvent make_event(const Context& context) {
  const Current current(context);
  CuEvent event = nullptr;
  context.check(context.driver().cuEventCreate(&event, 0), "cuEventCreate");
  return event;
}

}  // namespace

GpuEvent::GpuEvent(const std::shared_ptr<const Context>& context, CuStream stream)
    : context_(context.get()), event_(context, make_event(*context), context->driver().cuEventDestroy) {
  const Current current(*context);
  context->check(context->driver().cuEventRecord(event_.get(), stream), "cuEventRecord");
}

GraphWork::GraphWork(const std::shared_ptr<const Context>& context, std::vector<Launch> launches)
    : context_(context),
      launches_(std::move(launches)),
      graph_(context, make_graph(*context), context->driver().cuGraphDestroy) {
  const Driver& driver = context->driver();
  const Current current(*context);
  for (const Launch& launch : launches_) {
    const GpuKernel& kernel = kernel_of(launch, context.get());
    const CuKernelNode params = node_of(launch, kernel, parameters_of(launch.arguments, parameters_));
    CuGraphNode node = nullptr;
    const CuGraphNode* before = nodes_.empty() ? nullptr : &nodes_.back();
    context->check(driver.cuGraphAddKernelNode(&node, graph_.get(), before, before ? 1 : 0, &params),
                   "cuGraphAddKernelNode", "kernel " + kernel.name());
    nodes_.push_back(node);
  }
  CuGraphExec exec = nullptr;
  context->check(driver.cuGraphInstantiate(&exec, graph_.get(), 0), "cuGraphInstantiate");
  exec_.emplace(context, exec, driver.cuGraphExecDestroy);
}

void GraphWork::set_arguments(size_t launch, std::span<void* const> arguments) {
  if (launch >= launches_.size() || arguments.size() != launches_[launch].arguments.size()) {
    misuse("a graph's launch has other arguments");
  }
  const GpuKernel& kernel = kernel_of(launches_[launch], context_.get());
  const CuKernelNode params = node_of(launches_[launch], kernel, parameters_of(arguments, parameters_));
  const Current current(*context_);
  const CuResult result = context_->driver().cuGraphExecKernelNodeSetParams(exec_->get(), nodes_[launch], &params);
  if (result != kCuSuccess) context_->fail(result, "cuGraphExecKernelNodeSetParams", "kernel " + kernel.name());
}

GpuStream::GpuStream(std::shared_ptr<const Context> context) : context_(std::move(context)) {
  stream_ = make_stream(*context_);
  own_.emplace(context_, stream_, context_->driver().cuStreamDestroy);
}

GpuStream::GpuStream(std::shared_ptr<const Context> context, CuStream stream)
    : context_(std::move(context)), stream_(stream) {
  if (!stream) return;  // the default stream belongs to whatever context is current
  CuContext owner = nullptr;
  const Current current(*context_);
  context_->check(context_->driver().cuStreamGetCtx(stream, &owner), "cuStreamGetCtx", "the caller's stream");
  if (owner == context_->handle()) return;
  throw Error(ErrorCode::invalid_argument,
              "the caller's stream is not of the primary context of " + context_->description());
}

GpuStream::~GpuStream() {
  const Current current(*context_, std::nothrow);
  if (current.is_set()) context_->driver().cuStreamSynchronize(stream_);
}

void GpuStream::upload(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  const Current current(*context_);
  check(context_->driver().cuMemcpyHtoDAsync(address(to), from, bytes, stream_), "cuMemcpyHtoDAsync",
        bytes_text(bytes));
  // Page-locked memory is read later, and so may be pageable memory that the device reaches by itself.
  synchronize();
}

void GpuStream::download(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  const Current current(*context_);
  check(context_->driver().cuMemcpyDtoHAsync(to, address(from), bytes, stream_), "cuMemcpyDtoHAsync",
        bytes_text(bytes));
}

void GpuStream::copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  const Current current(*context_);
  check(context_->driver().cuMemcpyDtoDAsync(address(to), address(from), bytes, stream_), "cuMemcpyDtoDAsync",
        bytes_text(bytes));
}

void GpuStream::fill(void* to, uint8_t byte, size_t bytes) {
  if (bytes == 0) return;
  const Current current(*context_);
  check(context_->driver().cuMemsetD8Async(address(to), byte, bytes, stream_), "cuMemsetD8Async", bytes_text(bytes));
}

void GpuStream::launch(const Launch& launch) {
  const GpuKernel& kernel = kernel_of(launch, context_.get());
  const Current current(*context_);
  keep(pending_kernels_, launch.kernel);
  const CuKernelNode node = node_of(launch, kernel, parameters_of(launch.arguments, parameters_));
  const CuResult result = context_->driver().cuLaunchKernel(node.function, node.grid_x, 1, 1, node.block_x, 1, 1, 0,
                                                            stream_, node.parameters, nullptr);
  if (result != kCuSuccess) check(result, "cuLaunchKernel", "kernel " + kernel.name());
}

std::unique_ptr<DeviceGraph> GpuStream::make_graph(const std::vector<Launch>& launches) {
  return std::make_unique<GpuGraph>(std::make_shared<GraphWork>(context_, launches));
}

void GpuStream::launch(DeviceGraph& graph) {
  const auto* known = dynamic_cast<const GpuGraph*>(&graph);
  if (!known || known->work()->context() != context_.get()) misuse("launch of another device's graph");
  const Current current(*context_);
  keep<GraphWork>(pending_graphs_, known->work());
  check(context_->driver().cuGraphLaunch(known->work()->handle(), stream_), "cuGraphLaunch");
}

std::unique_ptr<DeviceEvent> GpuStream::record() { return std::make_unique<GpuEvent>(context_, stream_); }

void GpuStream::wait() {
  const Current current(*context_);
  synchronize();
}

double GpuStream::milliseconds(const DeviceEvent& from, const DeviceEvent& to) {
  const auto *first = dynamic_cast<const GpuEvent*>(&from), *last = dynamic_cast<const GpuEvent*>(&to);
  if (!first || !last || first->context() != context_.get() || last->context() != context_.get()) {
    misuse("events of another device");
  }
  const Current current(*context_);
  float elapsed = 0;
  check(context_->driver().cuEventElapsedTime(&elapsed, first->handle(), last->handle()), "cuEventElapsedTime");
  return elapsed;
}

void GpuStream::check(CuResult result, const char* call, const std::string& subject) const {
  if (result == kCuSuccess) return;
  const std::string names = is_kernel_fault(result) ? pending_names() : "";
  context_->fail(result, call, names.empty() ? subject : "after launching " + names);
}

void GpuStream::synchronize() {
  check(context_->driver().cuStreamSynchronize(stream_), "cuStreamSynchronize");
  pending_kernels_.clear();
  pending_graphs_.clear();
}

/// "conv1, relu2 and 3 more", in the order of their first launches; graphs last.
std::string GpuStream::pending_names() const {
  std::vector<std::string> names;
  auto add = [&](const LoadedKernel* kernel) { names.push_back(static_cast<const GpuKernel*>(kernel)->name()); };
  for (const auto& kernel : pending_kernels_) add(kernel.get());
  for (const auto& graph : pending_graphs_) {
    for (const Launch& launch : graph->launches()) add(launch.kernel.get());
  }
  constexpr size_t kShown = 16;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i ? ", " : "") + names[i];
  return names.size() > kShown ? text + " and " + std::to_string(names.size() - kShown) + " more" : text;
}

template <typename Work>
void GpuStream::keep(std::vector<std::shared_ptr<const Work>>& pending, const std::shared_ptr<const Work>& work) {
  if (std::find(pending.rbegin(), pending.rend(), work) != pending.rend()) return;
  if (pending.size() >= kMostPending) synchronize();
  pending.push_back(work);
}

}  // namespace altrt::jit::gpu
