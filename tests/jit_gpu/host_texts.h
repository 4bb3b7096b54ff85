// Hand-made kernels for tests, shaped as the generator's.
#pragma once

#include <string>

namespace altrt::cuda_host {

/// y[i] = x[i] + 1 for 100 elements, blocks of 32; no thread waits.
inline const char* kAddOne = R"(
extern "C" __global__ void __launch_bounds__(32) add_one(const float* __restrict__ x, float* __restrict__ y) {
  const int i = blockIdx.x * 32 + threadIdx.x;
  if (i < 100) y[i] = x[i] + 1.0f;
})";

/// Each block of 256 reversed, through shared memory, twice.
inline const char* kReverse = R"(
extern "C" __global__ void __launch_bounds__(256) reverse(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ __align__(16) float tile[256];
  for (int turn = 0; turn < 3; ++turn) {
    tile[threadIdx.x] = turn ? y[blockIdx.x * 256 + threadIdx.x] : x[blockIdx.x * 256 + threadIdx.x];
    __syncthreads();
    y[blockIdx.x * 256 + threadIdx.x] = tile[255 - threadIdx.x];
    __syncthreads();
  }
})";

/// y[block] = sum of 256: shuffles in each warp, then shared memory between warps.
inline const char* kSum = R"(
static __device__ __forceinline__ float warp_sum(float v) {
  #pragma unroll
  for (int delta = 16; delta > 0; delta /= 2) v += __shfl_down_sync(0xffffffffu, v, delta);
  return v;
}
extern "C" __global__ void __launch_bounds__(256) sum(const float* __restrict__ x, float* __restrict__ y) {
  __shared__ float partial[8];
  float v = warp_sum(x[blockIdx.x * 256 + threadIdx.x]);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
  __syncthreads();
  if (threadIdx.x < 32) {
    v = warp_sum(threadIdx.x < 8 ? partial[threadIdx.x] : 0.0f);
    if (threadIdx.x == 0) y[blockIdx.x] = v;
  }
})";

/// The text with its n-th `part` replaced.
inline std::string replaced(std::string text, const std::string& part, const std::string& by, int n = 0) {
  size_t at = text.find(part);
  while (n-- > 0) at = text.find(part, at + 1);
  return text.replace(at, part.size(), by);
}

}  // namespace altrt::cuda_host
