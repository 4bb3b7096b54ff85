// A driver that executes nothing and checks everything: what is passed to each call, lifetimes and order. Failures can
// be put into any call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "jit/gpu/driver.h"
#include "jit/kernel/kernel.h"

namespace altrt::jit::gpu {

/// One at a time, in the place of the driver while it lives.
class FakeDriver {
 public:
  FakeDriver();
  ~FakeDriver();
  const Driver& table() const { return table_; }

  // The machine:
  int version = 13000;
  int devices = 2;
  size_t memory_bytes = 1 << 20;
  int most_threads = 1024;

  /// The call of that name fails once, after `skip` of them that don't.
  void fail(const std::string& call, CuResult result, int skip = 0);
  /// The call of that number fails, counted over all that return a result of their own.
  void fail_call(int number, CuResult result);
  /// Name of the call that failed that way, if any did.
  std::string failed_call() const { return failed_call_; }
  /// The next kernel that runs breaks off: the next wait reports it, and so does every call after.
  void break_next_kernel(CuResult result) { fault_ = result; }
  /// As at the end of a process.
  void shut_down() { down_ = true; }

  int calls(const std::string& name) const;
  /// What broke the rules, one a line.
  std::string violations() const { return violations_; }
  /// What is alive, one a line.
  std::string alive() const;
  /// Of the calling thread.
  static std::vector<CuContext>& context_stack();
  CuContext foreign_context();
  CuStream foreign_stream(CuContext context);

  struct Launched {
    std::string entry;
    unsigned grid = 0, block = 0;
    std::vector<CuAddress> arguments;
  };
  const std::vector<Launched>& launched() const { return launched_; }
  /// Copies from host memory that may still be read.
  int pending_reads() const { return pending_reads_; }
  std::vector<unsigned> stream_flags;

 private:
  enum class Kind : uint8_t { context, module, function, stream, event, graph, node, exec };
  struct Object {
    Kind kind = Kind::context;
    bool alive = true;
    uint64_t context = 0;
    uint64_t owner = 0;  // module of a function, graph of a node
    // module and function
    std::string entry = {};
    int parameters = 0;
    // stream: modules in use; event: record state
    std::set<uint64_t> pending = {};
    bool recorded = false, passed = false;
    uint64_t stream = 0;
    // graph and exec: nodes in order; node and exec: what they launch
    std::vector<uint64_t> nodes = {}, functions = {};
    std::vector<Launched> launches = {};
  };
  enum Trait : unsigned {
    kPlain = 0,
    kNeedsContext = 1,
    kAlways = 2,  // does its work even where it reports a failure
    kLasts = 4    // does not report the fault of a kernel
  };

  void set_devices();
  void set_contexts();
  void set_modules();
  void set_memory();
  void set_streams();
  void set_graphs();
  void set_graph_runs();
  static CuResult call(const char* name, unsigned traits, const std::function<CuResult(FakeDriver&)>& body);

  CuResult violation(const std::string& text, CuResult result = kCuInvalidValue);
  template <typename Handle>
  Handle make(Object object);
  template <typename Handle>
  Object* find(Handle handle, Kind kind);
  template <typename Handle>
  CuResult destroy(Handle handle, Kind kind);
  Object* current();
  bool is_memory(CuAddress address, size_t bytes);
  CuResult load(CuModule* module, const char* image, char* log, size_t log_bytes);
  bool uses(const Object& object, uint64_t module);
  bool read_launch(const CuKernelNode& node, Launched* launch);
  bool check_arguments(const Launched& launch);
  void run(CuStream stream, uint64_t function, const Launched& launch);
  CuResult copy(CuAddress address, size_t bytes, CuStream stream, const void* host);

  Driver table_ = {};
  mutable std::mutex lock_;
  std::string name_;  // of the call in progress
  std::map<std::string, int> calls_;
  std::map<std::string, std::pair<int, CuResult>> failures_;
  int until_failure_ = -1;
  CuResult failure_ = kCuSuccess;
  std::string failed_call_, violations_;
  CuResult fault_ = kCuSuccess, sticky_ = kCuSuccess;
  bool initialised_ = false, down_ = false;
  std::map<uint64_t, Object> objects_;
  uint64_t next_handle_ = 0x1000;
  std::map<int, std::pair<uint64_t, int>> primary_;  // context and references, by device
  struct Memory {
    size_t bytes = 0;
    uint64_t context = 0;
  };
  std::map<CuAddress, Memory> memory_;
  CuAddress next_address_ = 0x7f0000000000;
  size_t used_bytes_ = 0;
  std::vector<Launched> launched_;
  int pending_reads_ = 0;
};

template <typename Handle>
Handle FakeDriver::make(Object object) {
  next_handle_ += 16;
  if (object.kind != Kind::context && object.context == 0) {
    object.context = reinterpret_cast<uint64_t>(context_stack().back());
  }
  objects_[next_handle_] = std::move(object);
  return reinterpret_cast<Handle>(next_handle_);
}

template <typename Handle>
FakeDriver::Object* FakeDriver::find(Handle handle, Kind kind) {
  const auto found = objects_.find(reinterpret_cast<uint64_t>(handle));
  if (found == objects_.end() || found->second.kind != kind) {
    violation("no such handle");
    return nullptr;
  }
  if (!found->second.alive) {
    violation("a handle that was destroyed");
    return nullptr;
  }
  const uint64_t context = found->second.context;
  if (context && context != reinterpret_cast<uint64_t>(context_stack().back())) violation("another context is current");
  return &found->second;
}

template <typename Handle>
CuResult FakeDriver::destroy(Handle handle, Kind kind) {
  Object* object = find(handle, kind);
  if (!object) return kCuInvalidHandle;
  object->alive = false;
  return kCuSuccess;
}

/// A kernel that the fake driver can load.
KernelObject fake_kernel(const std::string& name, int parameters, int threads = 128,
                         const std::string& architecture = "sm_90");

}  // namespace altrt::jit::gpu
