// Launches and graphs of the fake driver.
#include "tests/jit_gpu/fake_driver.h"

namespace altrt::jit::gpu {
namespace {

template <typename Handle>
uint64_t number(Handle handle) {
  return reinterpret_cast<uint64_t>(handle);
}

}  // namespace

bool FakeDriver::check_arguments(const Launched& launch) {
  for (const CuAddress argument : launch.arguments) {
    if (is_memory(argument, 1)) continue;
    violation("an argument of " + launch.entry + " is not in device memory");
    return false;
  }
  return true;
}

bool FakeDriver::read_launch(const CuKernelNode& node, Launched* launch) {
  const Object* function = find(node.function, Kind::function);
  if (!function) return false;
  launch->entry = function->entry;
  launch->grid = node.grid_x;
  launch->block = node.block_x;
  const bool line = node.grid_y == 1 && node.grid_z == 1 && node.block_y == 1 && node.block_z == 1;
  if (!line || node.grid_x == 0 || node.grid_x > 0x7fffffff || node.block_x == 0) {
    violation("blocks or threads");
    return false;
  }
  if (node.extra || node.shared_bytes || (function->parameters > 0 && !node.parameters)) {
    violation("parameters");
    return false;
  }
  for (int i = 0; i < function->parameters; ++i) {
    launch->arguments.push_back(*static_cast<const CuAddress*>(node.parameters[i]));
  }
  return check_arguments(*launch);
}

void FakeDriver::run(CuStream stream, uint64_t function, const Launched& launch) {
  launched_.push_back(launch);
  if (stream) find(stream, Kind::stream)->pending.insert(objects_[function].owner);
  if (fault_ == kCuSuccess) return;
  sticky_ = fault_;
  fault_ = kCuSuccess;
}

void FakeDriver::set_graphs() {
  table_.cuLaunchKernel = [](CuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                             unsigned block_y, unsigned block_z, unsigned shared_bytes, CuStream stream,
                             void** parameters, void** extra) {
    return call("cuLaunchKernel", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      const CuKernelNode node = {function, grid_x,  grid_y,       grid_z,     block_x,
                                 block_y,  block_z, shared_bytes, parameters, extra};
      Launched launch;
      if (stream && !fake.find(stream, Kind::stream)) return kCuInvalidHandle;
      if (!fake.read_launch(node, &launch)) return kCuInvalidValue;
      fake.run(stream, number(function), launch);
      return kCuSuccess;
    });
  };
  table_.cuGraphCreate = [](CuGraph* graph, unsigned flags) {
    return call("cuGraphCreate", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      if (flags != 0) return fake.violation("flags");
      *graph = fake.make<CuGraph>({.kind = Kind::graph});
      return kCuSuccess;
    });
  };
  table_.cuGraphDestroy = [](CuGraph graph) {
    return call("cuGraphDestroy", kNeedsContext | kAlways, [&](FakeDriver& fake) -> CuResult {
      for (auto& [handle, object] : fake.objects_) {
        if (object.kind == Kind::node && object.owner == number(graph)) object.alive = false;
      }
      return fake.destroy(graph, Kind::graph);
    });
  };
  table_.cuGraphAddKernelNode = [](CuGraphNode* node, CuGraph graph, const CuGraphNode* dependencies, size_t count,
                                   const CuKernelNode* kernel) {
    return call("cuGraphAddKernelNode", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      Object* object = fake.find(graph, Kind::graph);
      Launched launch;
      if (!object || !fake.read_launch(*kernel, &launch)) return kCuInvalidValue;
      // A chain: each node waits for the one before it.
      if (count != (object->nodes.empty() ? 0 : 1)) return fake.violation("dependencies");
      if (count == 1 && number(dependencies[0]) != object->nodes.back()) return fake.violation("not the last node");
      *node = fake.make<CuGraphNode>(
          {.kind = Kind::node, .owner = number(graph), .functions = {number(kernel->function)}, .launches = {launch}});
      object->nodes.push_back(number(*node));
      return kCuSuccess;
    });
  };
}

void FakeDriver::set_graph_runs() {
  table_.cuGraphInstantiate = [](CuGraphExec* exec, CuGraph graph, unsigned long long flags) {
    return call("cuGraphInstantiate", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      const Object* object = fake.find(graph, Kind::graph);
      if (!object || flags != 0) return fake.violation("graph or flags");
      Object made = {.kind = Kind::exec, .nodes = object->nodes};
      for (const uint64_t node : object->nodes) {
        made.functions.push_back(fake.objects_[node].functions[0]);
        made.launches.push_back(fake.objects_[node].launches[0]);
      }
      *exec = fake.make<CuGraphExec>(std::move(made));
      return kCuSuccess;
    });
  };
  table_.cuGraphExecDestroy = [](CuGraphExec exec) {
    return call("cuGraphExecDestroy", kNeedsContext | kAlways,
                [&](FakeDriver& fake) -> CuResult { return fake.destroy(exec, Kind::exec); });
  };
  table_.cuGraphExecKernelNodeSetParams = [](CuGraphExec exec, CuGraphNode node, const CuKernelNode* kernel) {
    return call("cuGraphExecKernelNodeSetParams", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      Object* object = fake.find(exec, Kind::exec);
      Launched launch;
      if (!object || !fake.find(node, Kind::node) || !fake.read_launch(*kernel, &launch)) return kCuInvalidValue;
      for (size_t i = 0; i < object->nodes.size(); ++i) {
        if (object->nodes[i] != number(node)) continue;
        if (object->functions[i] != number(kernel->function)) return fake.violation("another function");
        object->launches[i] = launch;
        return kCuSuccess;
      }
      return fake.violation("another graph's node");
    });
  };
  table_.cuGraphLaunch = [](CuGraphExec exec, CuStream stream) {
    return call("cuGraphLaunch", kNeedsContext, [&](FakeDriver& fake) -> CuResult {
      const Object* object = fake.find(exec, Kind::exec);
      if (!object || (stream && !fake.find(stream, Kind::stream))) return kCuInvalidHandle;
      for (size_t i = 0; i < object->launches.size(); ++i) {
        if (!fake.check_arguments(object->launches[i])) return kCuInvalidValue;
        fake.run(stream, object->functions[i], object->launches[i]);
      }
      return kCuSuccess;
    });
  };
}

}  // namespace altrt::jit::gpu
