#include "tuner/worker/faults.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "jit/cpu/cpu.h"
#include "tuner/worker/channel.h"
#include "tuner/worker/protocol.h"

namespace altrt::tuner {
namespace {

constexpr size_t kStackBytes = 64 << 10;  // for a handler where the thread has used up its own
constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

struct Region {
  const void *begin, *end;
};

int words_socket = -1;
std::atomic<bool> dying{false};
std::vector<Region>& regions() {
  static auto* const all = new std::vector<Region>;
  return *all;
}

[[noreturn]] void speak_and_end(const LastWords& words) {
  while (dying.exchange(true)) pause();  // another thread speaks
  struct {
    Channel::Frame frame;
    LastWords words;
  } message{{static_cast<uint32_t>(Answer::last_words), sizeof words}, words};
  static_cast<void>(send(words_socket, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT));
  _exit(1);
}

void on_signal(int number, siginfo_t* info, void*) {
  LastWords words;
  words.number = number;
  if (number == SIGSEGV || number == SIGBUS) {
    const std::vector<Region>& all = regions();
    words.beside = std::any_of(all.begin(), all.end(), [&](const Region& region) {
      return info->si_addr >= region.begin && info->si_addr < region.end;
    });
  }
  speak_and_end(words);
}

void give_stack() {
  stack_t stack{};
  stack.ss_size = kStackBytes;
  stack.ss_sp = std::malloc(kStackBytes);  // for as long as the thread lives, which is as long as the process does
  if (stack.ss_sp) sigaltstack(&stack, nullptr);
}

}  // namespace

void die(const char* reason, bool out_of_memory) {
  LastWords words;
  words.why = out_of_memory ? LastWords::out_of_memory : LastWords::aborted;
  std::strncpy(words.text, reason, sizeof words.text - 1);
  speak_and_end(words);
}

void catch_faults(int socket) {
  words_socket = socket;
  regions();
  give_stack();
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (const int number : kSignals) sigaction(number, &action, nullptr);
  std::set_new_handler([] { die("", true); });
  jit::cpu::on_fatal_error(die);
}

void catch_faults_in(base::Team& team) {
  // Nobody is done before all have come, so each of the team's threads comes once.
  std::atomic<int> come{0};
  team.run(team.threads(), 1, [&](int64_t, int64_t, int worker) {
    if (worker > 0) {
      give_stack();
      sigset_t faults;
      sigemptyset(&faults);
      for (const int number : kSignals) sigaddset(&faults, number);
      pthread_sigmask(SIG_UNBLOCK, &faults, nullptr);
    }
    ++come;
    while (come.load() < team.threads()) sched_yield();
  });
}

void watch_region(const void* begin, const void* end) { regions().push_back({begin, end}); }
void forget_region(const void* begin) {
  std::erase_if(regions(), [&](const Region& region) { return region.begin == begin; });
}

}  // namespace altrt::tuner
