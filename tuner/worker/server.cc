#include "tuner/worker/server.h"

#include <altrt/error.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>

#include "jit/cpu/cpu.h"
#include "runtime/base/trace.h"
#include "tuner/worker/faults.h"

namespace altrt::tuner {
namespace {

// MADV_POPULATE_READ and MADV_POPULATE_WRITE, since Linux 5.14.
constexpr int kPopulateRead = 22, kPopulateWrite = 23;

size_t page_size() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

int64_t address_space() {
  long pages = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<int64_t>(page_size());
}

void limit(int resource, int64_t bytes) {
  rlimit now{};
  getrlimit(static_cast<__rlimit_resource_t>(resource), &now);
  const auto wanted = static_cast<rlim_t>(bytes);
  now.rlim_cur = now.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, now.rlim_max);
  setrlimit(static_cast<__rlimit_resource_t>(resource), &now);
}

void* map_shared(size_t bytes, int protection, int descriptor, size_t from) {
  void* at = mmap(nullptr, bytes, protection, MAP_SHARED, descriptor, static_cast<off_t>(from));
  if (at == MAP_FAILED) throw Error(ErrorCode::out_of_memory, "worker: cannot map " + std::to_string(bytes) + " bytes");
  return at;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {
    if (number < 0) throw std::runtime_error("worker: a descriptor is missing");
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(number_); }
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

size_t Server::Memory::bytes() const { return mapping.inner + 2 * page_size(); }
uint8_t* Server::Memory::data() const { return base + page_size() + mapping.offset; }

void Server::serve() {
  channel_.send(static_cast<uint32_t>(Answer::greeting), Writer().add_text(greeting()).bytes(), -1);
  Message message;
  while (receive(message)) {
    try {
      handle(message);
    } catch (const std::exception& error) {
      const auto* typed = dynamic_cast<const Error*>(&error);
      const auto code = static_cast<int32_t>(typed ? typed->code() : ErrorCode::internal);
      const auto asked = static_cast<Ask>(message.kind);
      if (asked == Ask::compile || asked == Ask::run) {
        answer(Answer::error, Writer().add(code).add_text(error.what()));
      } else if (earlier_error_.empty()) {
        earlier_error_ = error.what();
      }
    }
  }
}

// The next run mostly comes at once. A thread that offers its processor meanwhile need not be woken, and the tuning
// gets the processor when it wants it.
bool Server::receive(Message& message) {
  constexpr double kPatienceMs = 0.1;
  for (const base::Stopwatch watch; setup_.runs_kernels && watch.milliseconds() < kPatienceMs; sched_yield()) {
    const Channel::Result result = channel_.receive(message, 0);
    if (result != Channel::Result::timeout) return result == Channel::Result::done;
  }
  return channel_.receive(message, -1) == Channel::Result::done;
}

void Server::handle(const Message& message) {
  Reader reader(message.bytes);
  switch (static_cast<Ask>(message.kind)) {
    case Ask::setup:
      return setup(reader);
    case Ask::compile:
      return compile(reader);
    case Ask::map:
      return map(reader);
    case Ask::place:
      return place(reader);
    case Ask::unmap:
      return unmap(reader.get<uint64_t>());
    case Ask::load:
      return load(reader);
    case Ask::unload:
      kernels_.erase(reader.get<uint64_t>());
      return;
    case Ask::run:
      return run(reader);
  }
  throw std::runtime_error("worker: an unknown message");
}

void Server::answer(Answer answer, const Writer& writer) {
  channel_.send(static_cast<uint32_t>(answer), writer.bytes(), -1);
}

void Server::setup(Reader reader) {
  const Descriptor page(channel_.take_descriptor());
  setup_ = reader.get<Setup>();
  control_ = static_cast<Control*>(map_shared(page_size(), PROT_READ, page.number(), 0));
  own_bytes_ = address_space();
  if (setup_.runs_kernels) {
    team_ = std::make_unique<base::Team>(setup_.threads, setup_.spin_us);
    catch_faults_in(*team_);
    runner_ = std::make_unique<HostRunner>(*team_, setup_.l2_bytes);
    own_bytes_ = address_space();
  }
  limit_memory();
}

// Threads, heaps and code are there already; what comes on top is limited.
void Server::limit_memory() const {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const int64_t workspaces = setup_.threads * workspace_bytes_;
  limit(RLIMIT_DATA, own_bytes_ + setup_.memory_bytes + workspaces);
  limit(RLIMIT_AS, own_bytes_ + setup_.memory_bytes + workspaces + mapped_bytes_);
#endif
}

void Server::compile(Reader reader) {
  jit::Target target;
  target.triple = reader.get_text();
  target.features = reader.get_text();
  const std::vector<uint8_t> object = jit::cpu::emit(reader.get_bytes(), target);
  answer(Answer::done, Writer().add_bytes(object));
}

void Server::map(Reader reader) {
  const Descriptor file(channel_.take_descriptor());
  Memory memory;
  memory.mapping = reader.get<Mapping>();
  mapped_bytes_ += static_cast<int64_t>(memory.bytes() + memory.mapping.kept);
  limit_memory();
  void* base = mmap(nullptr, memory.bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) throw Error(ErrorCode::out_of_memory, "worker: no address space");
  memory.base = static_cast<uint8_t*>(base);
  const int flags = MAP_SHARED | MAP_FIXED;
  if (mmap(memory.base + page_size(), memory.mapping.inner, PROT_NONE, flags, file.number(), 0) == MAP_FAILED) {
    munmap(base, memory.bytes());
    throw Error(ErrorCode::out_of_memory, "worker: cannot map a tensor");
  }
  protect(memory, memory.mapping.owner == owner_);
  if (memory.mapping.kept > 0) {
    memory.kept =
        static_cast<uint8_t*>(map_shared(memory.mapping.kept, PROT_READ, file.number(), memory.mapping.inner));
  }
  watch_region(memory.base, memory.base + memory.bytes());
  memories_[memory.mapping.id] = memory;
}

void Server::place(Reader reader) {
  const auto mapping = reader.get<Mapping>();
  const auto found = memories_.find(mapping.id);
  if (found == memories_.end()) throw std::runtime_error("worker: there is no such memory");
  const bool usable = mapping.owner == owner_, was_usable = found->second.mapping.owner == owner_;
  found->second.mapping = mapping;
  if (usable != was_usable) protect(found->second, usable);
}

void Server::unmap(uint64_t id) {
  const auto found = memories_.find(id);
  if (found == memories_.end()) return;
  const Memory& memory = found->second;
  forget_region(memory.base);
  munmap(memory.base, memory.bytes());
  if (memory.kept) munmap(memory.kept, memory.mapping.kept);
  mapped_bytes_ -= static_cast<int64_t>(memory.bytes() + memory.mapping.kept);
  memories_.erase(found);
  limit_memory();
}

void Server::protect(const Memory& memory, bool usable) {
  const int protection = !usable ? PROT_NONE : (memory.mapping.writable ? PROT_READ | PROT_WRITE : PROT_READ);
  uint8_t* const inner = memory.base + page_size();
  mprotect(inner, memory.mapping.inner, protection);
  // All at once costs less than a fault for each page; what that can't do the faults will.
  if (usable) madvise(inner, memory.mapping.inner, memory.mapping.writable ? kPopulateWrite : kPopulateRead);
}

void Server::activate(uint64_t owner) {
  if (owner == owner_) return;
  for (const auto& [id, memory] : memories_) {
    if (memory.mapping.owner == owner_ || memory.mapping.owner == owner) {
      protect(memory, memory.mapping.owner == owner);
    }
  }
  owner_ = owner;
}

void Server::load(Reader reader) {
  std::vector<jit::KernelObject> objects(reader.get<uint32_t>());
  std::vector<uint64_t> ids;
  for (jit::KernelObject& object : objects) {
    ids.push_back(reader.get<uint64_t>());
    object.name = reader.get_text();
    object.entry = reader.get_text();
    const std::span<const uint8_t> bytes = reader.get_bytes();
    object.bytes.assign(bytes.begin(), bytes.end());
  }
  const std::vector<std::shared_ptr<jit::LoadedKernel>> loaded = jit::cpu::load(objects);
  for (size_t i = 0; i < loaded.size(); ++i) kernels_[ids[i]] = loaded[i];
}

const Server::Memory& Server::memory(uint64_t id) const {
  const auto found = memories_.find(id);
  if (found == memories_.end()) throw std::runtime_error("worker: there is no such memory");
  return found->second;
}

std::vector<HostCall> Server::calls(Reader& reader) {
  std::vector<HostCall> calls(reader.get<uint32_t>());
  for (HostCall& call : calls) {
    const auto kernel = kernels_.find(reader.get<uint64_t>());
    if (kernel == kernels_.end()) throw std::runtime_error("worker: there is no such kernel");
    call.function = kernel->second->function();
    call.tasks = reader.get<int64_t>();
    call.parallel = reader.get<int32_t>() != 0;
    call.inner = reader.get<int64_t>();
    for (auto left = reader.get<uint32_t>(); left > 0; --left) {
      call.arguments.push_back(memory(reader.get<uint64_t>()).data());
    }
  }
  return calls;
}

void Server::run(Reader reader) {
  if (!earlier_error_.empty()) throw std::runtime_error(std::exchange(earlier_error_, ""));
  if (!team_) throw std::runtime_error("worker: not set up");
  const auto run = reader.get<Run>();
  activate(run.owner);
  if (run.workspace_bytes > workspace_bytes_) {
    workspace_bytes_ = run.workspace_bytes;
    limit_memory();
  }
  // Here and not before: later runs need room for as much.
  if (run.fill_workspace) runner_->prepare(run.workspace_bytes);
  base::Team::Lease lease(*team_);
  for (auto left = reader.get<uint32_t>(); left > 0; --left) {
    const Memory& far = memory(reader.get<uint64_t>());
    HostRunner::flush(far.data(), far.mapping.size);
  }
  if (run.evict) runner_->evict(lease);
  for (auto left = reader.get<uint32_t>(); left > 0; --left) {
    const Memory& input = memory(reader.get<uint64_t>());
    HostRunner::restore(input.data(), input.kept, input.mapping.size, lease);
  }
  const std::vector<HostCall> work = calls(reader);
  std::optional<double> ms;
  if (run.without_break) {
    ms = runner_->time(work, lease);
  } else {
    ms = runner_->run(work, lease, [this] { return control_->stop.load(std::memory_order_relaxed) != 0; });
  }
  answer(Answer::done, Writer().add(static_cast<int32_t>(ms.has_value())).add(ms.value_or(0)));
}

}  // namespace altrt::tuner
