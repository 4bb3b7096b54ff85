// The machine whose threads are another process's. Commands that need no answer of their own (memory, code, the state
// of the caches) travel with the next run.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>

#include <altrt/error.h>

#include "jit/compile/provide.h"
#include "runtime/base/trace.h"
#include "tuner/worker/regions.h"
#include "tuner/worker/workers.h"

namespace altrt::tuner {
namespace {

constexpr double kLongestMs = 60'000;                // a first run without a limit: the reference, the initial decision
constexpr double kAgainFactor = 20, kAgainMs = 800;  // any other, in runs of the same kernels
constexpr double kGraceMs = 150;                     // from the wish to stop to the end of a piece of work

/// Where workers are lost, what they had was theirs; it is made anew here when it is needed.
class RemoteKernel final : public jit::LoadedKernel {
 public:
  RemoteKernel(Workers& workers, std::shared_ptr<const std::vector<jit::KernelObject>> objects, size_t number)
      : id(workers.next_id()), objects_(std::move(objects)), number_(number), workers_(workers) {}
  ~RemoteKernel() override {
    if (generation == workers_.runner().generation()) workers_.runner().post(Ask::unload, Writer().add(id));
  }
  RemoteKernel(const RemoteKernel&) = delete;
  RemoteKernel& operator=(const RemoteKernel&) = delete;

  jit::KernelFunction function() const override { return here_ ? here_->function() : nullptr; }
  const jit::KernelObject& object() const { return (*objects_)[number_]; }
  void load_here() {
    if (!here_) here_ = jit::load({object()}, nullptr).front();
  }

  const uint64_t id;
  int generation = 0;  // of the worker that has it
  double last_ms = 0;  // of a run that it had a part in

 private:
  std::shared_ptr<const std::vector<jit::KernelObject>> objects_;
  size_t number_;
  Workers& workers_;
  std::shared_ptr<jit::LoadedKernel> here_;
};

class WorkerMachine;

class RemoteMemory final : public WatchedMemory {
 public:
  RemoteMemory(WorkerMachine& machine, Regions& regions, const Region& region)
      : machine_(machine), regions_(regions), region_(region) {}
  ~RemoteMemory() override;
  RemoteMemory(const RemoteMemory&) = delete;
  RemoteMemory& operator=(const RemoteMemory&) = delete;

  void* address() const override { return region_.data(); }
  size_t size() const override { return region_.mapping.size; }
  void change(base::FunctionRef<void(void*)> action) override;
  void look(base::FunctionRef<void(const void*)> action) const override;
  void keep() override { std::memcpy(region_.kept, address(), size()); }
  void restore(base::Team::Lease& lease) override;
  bool is_as_kept() const override;
  bool intact() const override { return region_.intact(); }

  void restore_here() { std::memcpy(address(), region_.kept, size()); }
  void restore_here(base::Team::Lease& lease) { HostRunner::restore(address(), region_.kept, size(), lease); }
  /// What the worker knows it by, once it sees it.
  uint64_t share() {
    regions_.share(region_);
    return region_.mapping.id;
  }

 private:
  WorkerMachine& machine_;
  Regions& regions_;
  Region region_;
};

class WorkerMachine final : public Machine {
 public:
  WorkerMachine(base::Team& team, int64_t l2_bytes, std::shared_ptr<Workers> workers, Placement placement)
      : team_(team),
        l2_bytes_(l2_bytes),
        placement_(placement),
        here_(team, l2_bytes),
        workers_(std::move(workers)),
        owner_(workers_->next_id()) {}

  std::unique_ptr<WatchedMemory> allocate(size_t bytes, Contents contents) override {
    Regions& regions = workers_->regions();
    auto memory = std::make_unique<RemoteMemory>(*this, regions, regions.take(owner_, bytes, contents, placement_));
    by_address_[memory->address()] = memory.get();
    return memory;
  }
  Kernels load(const jit::CompiledGroup& group, const jit::GroupDecision& decision) override;
  jit::Emitter emitter(int thread) override { return workers_->emitter(thread); }
  bool is_isolated() const override { return true; }
  std::unique_ptr<Machine> with(Placement placement) override {
    return std::make_unique<WorkerMachine>(team_, l2_bytes_, workers_, placement);
  }
  void distrust() override { workers_->runner().kill(); }
  void prepare(int64_t workspace_bytes) override {
    workspace_bytes_ = std::max(workspace_bytes, workspace_bytes_);
    fill_here_ = fill_there_ = true;
  }
  std::optional<double> run(const std::vector<const Call*>& calls, base::Team::Lease& lease, double limit_ms,
                            base::FunctionRef<bool()> over) override;
  double time(const std::vector<const Call*>& calls, base::Team::Lease& lease) override;
  void wake() override {}
  void evict(const std::vector<WatchedMemory*>& far, base::Team::Lease&) override {
    far_ = far;
    evict_ = true;
  }
  jit::Device* device() const override { return nullptr; }

  void restore_later(RemoteMemory& memory) {
    if (std::find(restored_.begin(), restored_.end(), &memory) == restored_.end()) restored_.push_back(&memory);
  }
  /// Before the host looks at memory.
  void restore_now() {
    for (RemoteMemory* memory : std::exchange(restored_, {})) memory->restore_here();
  }
  void forget(RemoteMemory& memory) {
    by_address_.erase(memory.address());
    std::erase(restored_, &memory);
    std::erase(far_, &memory);
  }

 private:
  bool runs_here(const std::vector<const Call*>& calls);
  std::vector<HostCall> get_ready_here(const std::vector<const Call*>& calls, base::Team::Lease& lease);
  std::optional<double> ask(const std::vector<const Call*>& calls, bool without_break, double limit_ms,
                            base::FunctionRef<bool()> over);
  void give_kernels(const std::vector<const Call*>& calls);
  Writer describe(const std::vector<const Call*>& calls, bool without_break);

  base::Team& team_;
  const int64_t l2_bytes_;
  const Placement placement_;
  HostRunner here_;
  std::shared_ptr<Workers> workers_;
  const uint64_t owner_;
  std::map<const void*, RemoteMemory*> by_address_;
  int64_t workspace_bytes_ = 0;
  bool fill_here_ = false, fill_there_ = false;
  // The state of the caches that the next run wants.
  bool evict_ = false;
  std::vector<WatchedMemory*> far_;
  std::vector<RemoteMemory*> restored_;
  base::Stopwatch since_remote_;
};

// --- memory ---

RemoteMemory::~RemoteMemory() {
  machine_.forget(*this);
  regions_.give_back(region_);
}

void RemoteMemory::change(base::FunctionRef<void(void*)> action) {
  machine_.restore_now();
  action(address());
}

void RemoteMemory::look(base::FunctionRef<void(const void*)> action) const {
  machine_.restore_now();
  action(address());
}

void RemoteMemory::restore(base::Team::Lease&) { machine_.restore_later(*this); }

bool RemoteMemory::is_as_kept() const {
  machine_.restore_now();
  return std::memcmp(address(), region_.kept, size()) == 0;
}

// --- running ---

Machine::Kernels WorkerMachine::load(const jit::CompiledGroup& group, const jit::GroupDecision& decision) {
  if (decision.provider != "own") return jit::load(group, decision);
  auto objects = std::make_shared<std::vector<jit::KernelObject>>();
  for (const jit::CompiledKernel& kernel : group.kernels) objects->push_back(kernel.object);
  Kernels kernels;
  for (size_t k = 0; k < objects->size(); ++k) {
    kernels.push_back(std::make_shared<RemoteKernel>(*workers_, objects, k));
  }
  return kernels;
}

// Whether the calls are another provider's, or there is no worker any more.
bool WorkerMachine::runs_here(const std::vector<const Call*>& calls) {
  std::vector<RemoteKernel*> remote;
  for (const Call* call : calls) {
    if (auto* kernel = dynamic_cast<RemoteKernel*>(call->kernel.get())) remote.push_back(kernel);
  }
  if (remote.empty()) return true;
  if (!workers_->are_lost()) {
    try {
      workers_->runner().start();
      return false;
    } catch (const Error& error) {
      workers_->lose(error.what());
    }
  }
  for (RemoteKernel* kernel : remote) kernel->load_here();
  return true;
}

std::vector<HostCall> WorkerMachine::get_ready_here(const std::vector<const Call*>& calls, base::Team::Lease& lease) {
  if (std::exchange(fill_here_, false)) here_.prepare(workspace_bytes_);
  // The worker's threads spin for a while after their last loop.
  const double spin_ms = static_cast<double>(team_.spin_us()) / 1e3, awake = spin_ms - since_remote_.milliseconds();
  if (awake > 0) {
    const timespec time{0, static_cast<long>(std::min(awake, 10.0) * 1e6)};
    nanosleep(&time, nullptr);
  }
  for (const WatchedMemory* memory : std::exchange(far_, {})) HostRunner::flush(memory->address(), memory->size());
  if (std::exchange(evict_, false)) here_.evict(lease);
  for (RemoteMemory* memory : std::exchange(restored_, {})) memory->restore_here(lease);
  return host_calls(calls);
}

void WorkerMachine::give_kernels(const std::vector<const Call*>& calls) {
  const int generation = workers_->runner().generation();
  std::vector<RemoteKernel*> missing;
  for (const Call* call : calls) {
    auto* kernel = static_cast<RemoteKernel*>(call->kernel.get());
    if (kernel->generation != generation && std::find(missing.begin(), missing.end(), kernel) == missing.end()) {
      missing.push_back(kernel);
    }
  }
  if (missing.empty()) return;
  Writer writer;
  writer.add(static_cast<uint32_t>(missing.size()));
  for (RemoteKernel* kernel : missing) {
    const jit::KernelObject& object = kernel->object();
    writer.add(kernel->id).add_text(object.name).add_text(object.entry).add_bytes(object.bytes);
    kernel->generation = generation;
  }
  workers_->runner().post(Ask::load, writer);
}

Writer WorkerMachine::describe(const std::vector<const Call*>& calls, bool without_break) {
  Writer writer;
  Run run;
  run.owner = owner_;
  run.workspace_bytes = workspace_bytes_;
  run.fill_workspace = std::exchange(fill_there_, false);
  run.evict = std::exchange(evict_, false);
  run.without_break = without_break;
  writer.add(run);
  const auto add_memory = [&](RemoteMemory& memory) { writer.add(memory.share()); };
  writer.add(static_cast<uint32_t>(far_.size()));
  for (WatchedMemory* memory : std::exchange(far_, {})) add_memory(static_cast<RemoteMemory&>(*memory));
  writer.add(static_cast<uint32_t>(restored_.size()));
  for (RemoteMemory* memory : std::exchange(restored_, {})) add_memory(*memory);
  writer.add(static_cast<uint32_t>(calls.size()));
  for (const Call* call : calls) {
    writer.add(static_cast<const RemoteKernel&>(*call->kernel).id).add(call->tasks);
    writer.add(static_cast<int32_t>(call->parallel)).add(call->inner);
    writer.add(static_cast<uint32_t>(call->arguments.size()));
    for (const void* argument : call->arguments) add_memory(*by_address_.at(argument));
  }
  return writer;
}

std::optional<double> WorkerMachine::ask(const std::vector<const Call*>& calls, bool without_break, double limit_ms,
                                         base::FunctionRef<bool()> over) {
  WorkerProcess& worker = workers_->runner();
  give_kernels(calls);
  const Writer message = describe(calls, without_break);
  team_.settle();
  std::vector<uint8_t> answer;
  try {
    answer = worker.ask(Ask::run, message, limit_ms, kGraceMs, over);
  } catch (const CandidateDied&) {
    fill_there_ = true;
    throw;
  }
  since_remote_ = {};
  Reader reader(answer);
  const bool ended = reader.get<int32_t>() != 0;
  const auto ms = reader.get<double>();
  if (!ended) return std::nullopt;
  for (const Call* call : calls) static_cast<RemoteKernel&>(*call->kernel).last_ms = ms;
  return ms;
}

std::optional<double> WorkerMachine::run(const std::vector<const Call*>& calls, base::Team::Lease& lease,
                                         double limit_ms, base::FunctionRef<bool()> over) {
  if (calls.empty()) return 0;
  if (runs_here(calls)) return here_.run(get_ready_here(calls, lease), lease, over);
  if (std::isinf(limit_ms)) {
    const double last = static_cast<const RemoteKernel&>(*calls.front()->kernel).last_ms;
    limit_ms = last > 0 ? kAgainFactor * last + kAgainMs : kLongestMs;
  }
  return ask(calls, false, limit_ms + kGraceMs, over);
}

double WorkerMachine::time(const std::vector<const Call*>& calls, base::Team::Lease& lease) {
  if (calls.empty()) return 0;
  if (runs_here(calls)) return here_.time(get_ready_here(calls, lease), lease);
  const double last = static_cast<const RemoteKernel&>(*calls.front()->kernel).last_ms;
  return *ask(calls, true, kAgainFactor * last + kAgainMs, [] { return false; });
}

}  // namespace

std::unique_ptr<Machine> make_machine(base::Team& team, const jit::Target& target, std::shared_ptr<Workers> workers) {
  return std::make_unique<WorkerMachine>(team, target.l2_bytes, std::move(workers), Placement::aligned);
}

}  // namespace altrt::tuner
