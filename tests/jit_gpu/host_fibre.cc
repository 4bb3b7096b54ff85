#include "tests/jit_gpu/host_fibre.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

namespace altrt::cuda_host {
namespace {
constexpr size_t kStacksPerChunk = 64;
}

Stacks::Stacks(size_t bytes) : bytes_(bytes), page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {}

Stacks::~Stacks() {
  for (void* chunk : chunks_) munmap(chunk, kStacksPerChunk * (bytes_ + page_));
}

void* Stacks::take() {
  if (free_.empty()) {
    const size_t step = bytes_ + page_;
    void* chunk = mmap(nullptr, kStacksPerChunk * step, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (chunk == MAP_FAILED) throw std::bad_alloc();
    chunks_.push_back(chunk);
    for (size_t i = 0; i < kStacksPerChunk; ++i) {
      char* begin = static_cast<char*>(chunk) + i * step;
      if (mprotect(begin, page_, PROT_NONE) != 0) throw std::bad_alloc();
      free_.push_back(begin + step);
    }
  }
  void* end = free_.back();
  free_.pop_back();
  return end;
}

bool Stacks::hold(const void* address) const {
  const auto at = reinterpret_cast<uintptr_t>(address);
  for (void* chunk : chunks_) {
    if (at - reinterpret_cast<uintptr_t>(chunk) < kStacksPerChunk * (bytes_ + page_)) return true;
  }
  return false;
}

#if defined(__x86_64__)

// Saved, from the stack pointer up: r15 r14 r13 r12 rbx rbp, return address. A new fibre starts in
// altrt_start_fibre with main in r12 and its argument in r13.
asm(R"(
.text
.globl altrt_switch_fibre
.type altrt_switch_fibre, @function
altrt_switch_fibre:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size altrt_switch_fibre, .-altrt_switch_fibre
.type altrt_start_fibre, @function
altrt_start_fibre:
  movq %r13, %rdi
  callq *%r12
  ud2
.size altrt_start_fibre, .-altrt_start_fibre
)");
extern "C" void altrt_start_fibre();

Fibre make_fibre(void* stack_end, void (*main)(void*), void* argument) {
  auto* sp = static_cast<void**>(stack_end) - 2;  // aligned to 16 bytes where main is called
  *--sp = reinterpret_cast<void*>(&altrt_start_fibre);
  *--sp = nullptr;                        // rbp
  *--sp = nullptr;                        // rbx
  *--sp = reinterpret_cast<void*>(main);  // r12
  *--sp = argument;                       // r13
  *--sp = nullptr;                        // r14
  *--sp = nullptr;                        // r15
  return sp;
}

#elif defined(__aarch64__)

// Saved, from the stack pointer up: x19-x28, x29, x30, d8-d15. A new fibre starts in altrt_start_fibre with main in x19
// and its argument in x20.
asm(R"(
.text
.globl altrt_switch_fibre
.type altrt_switch_fibre, %function
altrt_switch_fibre:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size altrt_switch_fibre, .-altrt_switch_fibre
.type altrt_start_fibre, %function
altrt_start_fibre:
  mov x0, x20
  blr x19
  brk #1
.size altrt_start_fibre, .-altrt_start_fibre
)");
extern "C" void altrt_start_fibre();

Fibre make_fibre(void* stack_end, void (*main)(void*), void* argument) {
  auto* sp = static_cast<void**>(stack_end) - 20;
  for (int i = 0; i < 20; ++i) sp[i] = nullptr;
  sp[0] = reinterpret_cast<void*>(main);
  sp[1] = argument;
  sp[11] = reinterpret_cast<void*>(&altrt_start_fibre);
  return sp;
}

#else
#error "fibres for this processor"
#endif

}  // namespace altrt::cuda_host
