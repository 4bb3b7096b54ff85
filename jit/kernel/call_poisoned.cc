#include "jit/kernel/call_poisoned.h"

#include <cstring>

namespace altrt::jit {

#if defined(__x86_64__)
namespace {

constexpr size_t kPoisonedStack = 4 << 10;  // more than most kernels have frames

[[gnu::noinline]] void poison_stack() {
  alignas(64) uint8_t room[kPoisonedStack];
  std::memset(room, 0xff, sizeof room);
  asm volatile("" : : "r"(room) : "memory");
}

// Every vector register holds NaN. Instructions of the 512-bit set reach the registers that the compiler doesn't use.
#define ALTRT_ONES_YMM(n) "vpcmpeqd %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n\t"
#define ALTRT_ONES_ZMM(n) "vpternlogd $0xff, %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
#define ALTRT_ONES_8(set, a, b, c, d, e, f, g, h) set(a) set(b) set(c) set(d) set(e) set(f) set(g) set(h)

}  // namespace

[[gnu::noinline]] void call_poisoned(KernelFunction function, const void* const* buffers, const int64_t* sizes,
                                     void* workspace, int64_t first, int64_t last) {
  static const bool avx2 = __builtin_cpu_supports("avx2"), avx512 = __builtin_cpu_supports("avx512f");
  poison_stack();
  if (!avx2) return function(buffers, sizes, workspace, first, last);
  if (avx512) {
    asm volatile(ALTRT_ONES_8(ALTRT_ONES_ZMM, 16, 17, 18, 19, 20, 21, 22, 23)
                     ALTRT_ONES_8(ALTRT_ONES_ZMM, 24, 25, 26, 27, 28, 29, 30, 31)
                         ALTRT_ONES_8(ALTRT_ONES_ZMM, 0, 1, 2, 3, 4, 5, 6, 7)
                             ALTRT_ONES_8(ALTRT_ONES_ZMM, 8, 9, 10, 11, 12, 13, 14, 15)
                 :
                 :
                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                   "xmm12", "xmm13", "xmm14", "xmm15");
  } else {
    asm volatile(ALTRT_ONES_8(ALTRT_ONES_YMM, 0, 1, 2, 3, 4, 5, 6, 7)
                     ALTRT_ONES_8(ALTRT_ONES_YMM, 8, 9, 10, 11, 12, 13, 14, 15)
                 :
                 :
                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                   "xmm12", "xmm13", "xmm14", "xmm15");
  }
  function(buffers, sizes, workspace, first, last);
  asm volatile("vzeroupper" : : : "memory");
}
#else
void call_poisoned(KernelFunction function, const void* const* buffers, const int64_t* sizes, void* workspace,
                   int64_t first, int64_t last) {
  function(buffers, sizes, workspace, first, last);
}
#endif

}  // namespace altrt::jit
