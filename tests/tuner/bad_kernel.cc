// Kernels that no process survives, or should: built once for each ALTRT_BAD_* and handed to a worker as if the
// compiler had made them. The test puts the entry's real name in place of this long one.
#include <cstdint>

namespace {

[[maybe_unused]] long system_call(long number, long a, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void
altrt_bad_kernel_whose_name_is_longer_than_any_that_the_compiler_gives_to_a_kernel_of_a_candidate(
    [[maybe_unused]] const void* const* buffers, const int64_t*, [[maybe_unused]] void* workspace, int64_t, int64_t) {
#if defined(ALTRT_BAD_LOOP)
  for (;;) asm volatile("" : : "r"(buffers), "r"(workspace) : "memory");
#elif defined(ALTRT_BAD_CRASH)
  *reinterpret_cast<volatile int*>(reinterpret_cast<uintptr_t>(buffers) & 0x10) = 1;
  __builtin_trap();
#elif defined(ALTRT_BAD_BESIDE)  // a few bytes
  const_cast<float*>(static_cast<const float*>(buffers[0]))[-1] = 1;
#elif defined(ALTRT_BAD_WILD)    // all over the place: the stack, then what lies behind a buffer
  for (volatile char* at = static_cast<char*>(__builtin_frame_address(0)) - 65536;
       at < static_cast<char*>(__builtin_frame_address(0)) - 512; ++at) {
    *at = 90;
  }
  auto* wild = const_cast<volatile char*>(static_cast<const volatile char*>(buffers[0]));
  for (int64_t i = 0; i < (int64_t{1} << 40); i += 64) wild[i] = 90;
#elif defined(ALTRT_BAD_MEMORY)
  constexpr long kMap = 9, kReadWrite = 3, kPrivateAnonymous = 0x22, kBytes = 16 << 20;
  for (;;) {
    const long at = system_call(kMap, 0, kBytes, kReadWrite, kPrivateAnonymous, -1);
    if (at < 0) break;
    for (long i = 0; i < kBytes; i += 4096) reinterpret_cast<volatile char*>(at)[i] = 1;
  }
  *static_cast<volatile int*>(nullptr) = 1;
  __builtin_trap();
#elif defined(ALTRT_BAD_ABORT)
  constexpr long kGetPid = 39, kKill = 62, kAbort = 6;
  system_call(kKill, system_call(kGetPid, 0), kAbort);
#endif
}
