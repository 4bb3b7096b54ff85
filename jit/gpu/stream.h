// Streams, graphs and events.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jit/gpu/context.h"
#include "jit/kernel/device.h"

namespace altrt::jit::gpu {

class GpuEvent final : public DeviceEvent {
 public:
  GpuEvent(const std::shared_ptr<const Context>& context, CuStream stream);
  const Context* context() const { return context_; }
  CuEvent handle() const { return event_.get(); }

 private:
  const Context* context_;
  Owned<CuEvent> event_;
};

/// What a run of a graph needs until it is over, whoever drops the graph meanwhile.
class GraphWork {
 public:
  GraphWork(const std::shared_ptr<const Context>& context, std::vector<Launch> launches);
  void set_arguments(size_t launch, std::span<void* const> arguments);
  const Context* context() const { return context_.get(); }
  CuGraphExec handle() const { return exec_->get(); }
  const std::vector<Launch>& launches() const { return launches_; }

 private:
  std::shared_ptr<const Context> context_;
  std::vector<Launch> launches_;
  std::vector<void*> parameters_;
  std::vector<CuGraphNode> nodes_;
  Owned<CuGraph> graph_;
  std::optional<Owned<CuGraphExec>> exec_;
};

class GpuGraph final : public DeviceGraph {
 public:
  explicit GpuGraph(std::shared_ptr<GraphWork> work) : work_(std::move(work)) {}
  void set_arguments(size_t launch, std::span<void* const> arguments) override {
    work_->set_arguments(launch, arguments);
  }
  const std::shared_ptr<GraphWork>& work() const { return work_; }

 private:
  std::shared_ptr<GraphWork> work_;
};

class GpuStream final : public DeviceStream {
 public:
  /// A stream of its own.
  explicit GpuStream(std::shared_ptr<const Context> context);
  /// The caller's. Error(invalid_argument) where it belongs to another context.
  GpuStream(std::shared_ptr<const Context> context, CuStream stream);
  ~GpuStream() override;

  void upload(void* to, const void* from, size_t bytes) override;
  void download(void* to, const void* from, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  void fill(void* to, uint8_t byte, size_t bytes) override;
  void launch(const Launch& launch) override;
  std::unique_ptr<DeviceGraph> make_graph(const std::vector<Launch>& launches) override;
  void launch(DeviceGraph& graph) override;
  std::unique_ptr<DeviceEvent> record() override;
  void wait() override;
  double milliseconds(const DeviceEvent& from, const DeviceEvent& to) override;

 private:
  void check(CuResult result, const char* call, const std::string& subject = {}) const;
  void synchronize();
  std::string pending_names() const;
  template <typename Work>
  void keep(std::vector<std::shared_ptr<const Work>>& pending, const std::shared_ptr<const Work>& work);

  std::shared_ptr<const Context> context_;
  std::optional<Owned<CuStream>> own_;
  CuStream stream_ = nullptr;
  // Launched since the last wait: kept loaded, and named where one of them fails.
  std::vector<std::shared_ptr<const LoadedKernel>> pending_kernels_;
  std::vector<std::shared_ptr<const GraphWork>> pending_graphs_;
  std::vector<void*> parameters_;
};

}  // namespace altrt::jit::gpu
