// The worker's side: does what it is asked for until the tuning hangs up. Nothing here guards against what kernels do;
// that is what the process is for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "jit/kernel/kernel.h"
#include "tuner/measure/host_runner.h"
#include "tuner/worker/channel.h"
#include "tuner/worker/protocol.h"

namespace altrt::tuner {

class Server {
 public:
  explicit Server(int socket) : channel_(socket) {}
  /// Returns when the other end is closed.
  void serve();

 private:
  struct Memory {
    Mapping mapping;
    uint8_t* base = nullptr;  // guard page, inner, guard page
    uint8_t* kept = nullptr;  // null = nothing is kept
    size_t bytes() const;     // from the first guard to the last
    uint8_t* data() const;
  };

  bool receive(Message& message);
  void handle(const Message& message);
  void setup(Reader reader);
  void compile(Reader reader);
  void map(Reader reader);
  void place(Reader reader);
  void unmap(uint64_t id);
  void load(Reader reader);
  void run(Reader reader);
  std::vector<HostCall> calls(Reader& reader);
  void activate(uint64_t owner);
  static void protect(const Memory& memory, bool usable);
  void limit_memory() const;
  void answer(Answer answer, const Writer& writer);
  const Memory& memory(uint64_t id) const;

  Channel channel_;
  Setup setup_;
  Control* control_ = nullptr;
  std::unique_ptr<base::Team> team_;
  std::unique_ptr<HostRunner> runner_;
  std::map<uint64_t, Memory> memories_;
  std::map<uint64_t, std::shared_ptr<jit::LoadedKernel>> kernels_;
  uint64_t owner_ = 0;
  int64_t workspace_bytes_ = 0, mapped_bytes_ = 0, own_bytes_ = 0;
  std::string earlier_error_;  // of a message without an answer
};

}  // namespace altrt::tuner
