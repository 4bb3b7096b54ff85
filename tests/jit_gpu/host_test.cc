// The machine that runs CUDA text on the CPU: right kernels give right results in every order, faults are found.
#include "tests/jit_gpu/host_kernel.h"

#include <gtest/gtest.h>

#include <altrt/error.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "tests/jit_gpu/host_texts.h"

namespace altrt::cuda_host {
namespace {

class Host : public testing::Test {
 protected:
  void SetUp() override {
    if (!compiler_trouble().empty()) GTEST_SKIP() << compiler_trouble();
  }
};

std::vector<float> counting(size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

template <typename... Pointers>
RunCounts run(const HostKernel& kernel, int64_t blocks, int threads, uint64_t seed, Pointers*... pointers) {
  void* const arguments[] = {const_cast<void*>(static_cast<const void*>(pointers))...};
  return kernel.run(arguments, {.blocks = blocks, .threads = threads, .seed = seed});
}

/// What the run's error says; "" without one.
template <typename... Pointers>
std::string error_of(const HostKernel& kernel, int64_t blocks, int threads, uint64_t seed, Pointers*... pointers) {
  try {
    run(kernel, blocks, threads, seed, pointers...);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::internal);
    return e.what();
  }
  return "";
}

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' not in: " << text;
}

std::vector<float> reversed_blocks(const std::vector<float>& x) {
  std::vector<float> y(x);
  for (size_t i = 0; i + 256 <= y.size(); i += 256) std::reverse(y.begin() + i, y.begin() + i + 256);
  return y;
}

TEST_F(Host, ThreadsThatNeverWait) {
  const HostKernel kernel = compile_on_host(kAddOne, "add_one");
  EXPECT_EQ(kernel.parameters(), 2);
  const std::vector<float> x = counting(100);
  std::vector<float> y(101, -1);
  const RunCounts counts = run(kernel, 4, 32, 1, x.data(), y.data());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(y[i], x[i] + 1);
  EXPECT_EQ(y[100], -1);
  EXPECT_EQ(counts.switches, 4 * 32);
  EXPECT_EQ(counts.barriers, 0);
}

TEST_F(Host, BarriersInEveryOrder) {
  const std::vector<float> x = counting(512), expected = reversed_blocks(x);
  for (const Checks checks : {Checks::order, Checks::accesses}) {
    const HostKernel kernel = compile_on_host(kReverse, "reverse", checks);
    for (uint64_t seed = 0; seed < 50; ++seed) {
      std::vector<float> y(512, -1);
      EXPECT_EQ(run(kernel, 2, 256, seed, x.data(), y.data()).barriers, 12);
      ASSERT_EQ(y, expected) << "seed " << seed;
    }
  }
}

TEST_F(Host, ShufflesAndBlockSums) {
  const HostKernel kernel = compile_on_host(kSum, "sum");
  const std::vector<float> x = counting(256 * 3);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::vector<float> y(3, -1);
    run(kernel, 3, 256, seed, x.data(), y.data());
    for (int b = 0; b < 3; ++b) ASSERT_EQ(y[b], std::accumulate(&x[b * 256], &x[b * 256] + 256, 0.0f));
  }
}

TEST_F(Host, ShufflesOfEveryKindAndType) {
  const HostKernel kernel = compile_on_host(R"(
extern "C" __global__ void __launch_bounds__(64) shuffles(const double* x, double* d, long long* l, int* i, float* f) {
  const int t = threadIdx.x;
  d[t] = __shfl_down_sync(0xffffffffu, x[t], 3);
  l[t] = __shfl_up_sync(0xffffffffu, (long long)t << 40, 5);
  i[t] = __shfl_xor_sync(0xffffffffu, -t, 7);
  f[t] = __shfl_sync(0xffffffffu, (float)t, 9);
})",
                                            "shuffles");
  std::vector<double> x(64), d(64);
  std::iota(x.begin(), x.end(), 0.5);
  std::vector<int64_t> l(64);
  std::vector<int> i(64);
  std::vector<float> f(64);
  run(kernel, 1, 64, 3, x.data(), d.data(), l.data(), i.data(), f.data());
  for (int t = 0; t < 64; ++t) {
    const int lane = t % 32, warp = t - lane;
    EXPECT_EQ(d[t], x[lane + 3 < 32 ? t + 3 : t]);
    EXPECT_EQ(l[t], static_cast<int64_t>(lane >= 5 ? t - 5 : t) << 40);
    EXPECT_EQ(i[t], -(warp + (lane ^ 7)));
    EXPECT_EQ(f[t], static_cast<float>(warp + 9));
  }
}

TEST_F(Host, VectorsTablesAndMathematics) {
  const HostKernel kernel = compile_on_host(R"(
static __device__ const float table[4] = {1.0f, 2.0f, 4.0f, 8.0f};
extern "C" __global__ void __launch_bounds__(16) vectors(const float* __restrict__ x, float* __restrict__ y) {
  float4 v = reinterpret_cast<const float4*>(x)[threadIdx.x];
  v.x = fmaf(v.x, table[threadIdx.x % 4], 0.5f);
  v.y = sqrtf(fabsf(v.y));
  v.z = floorf(v.z * 0.3f) + rintf(v.z * 0.3f);
  v.w = __int_as_float(__float_as_int(v.w) ^ (1 << 31));
  *reinterpret_cast<float4*>(&y[threadIdx.x * 4]) = make_float4(v.x, v.y, v.z, v.w);
})",
                                            "vectors");
  alignas(16) float x[64], y[64];
  std::iota(x, x + 64, -20.0f);
  run(kernel, 1, 16, 0, x, y);
  for (int t = 0; t < 16; ++t) {
    const float* v = &x[t * 4];
    EXPECT_EQ(y[t * 4], std::fma(v[0], static_cast<float>(1 << t % 4), 0.5f));
    EXPECT_EQ(y[t * 4 + 1], std::sqrt(std::fabs(v[1])));
    EXPECT_EQ(y[t * 4 + 2], std::floor(v[2] * 0.3f) + std::rint(v[2] * 0.3f));
    EXPECT_EQ(y[t * 4 + 3], -v[3]);
  }
#if !defined(__clang__)  // it does not check copies of whole vectors
  float* const odd = x + 1;
  expect_part(error_of(kernel, 1, 15, 0, odd, y), "misaligned access in line 4");
#endif
}

TEST_F(Host, DivergentBarriers) {
  const HostKernel some = compile_on_host(R"(
extern "C" __global__ void __launch_bounds__(64) some(float* y) {
  if (threadIdx.x < 40) return;
  __syncthreads();
  y[threadIdx.x] = 1.0f;
})",
                                          "some");
  std::vector<float> y(64);
  const std::string text = error_of(some, 2, 64, 1, y.data());
  expect_part(text, "threads 0-39 have ended; threads 40-63 wait at the barrier in line 4");
  const HostKernel two = compile_on_host(R"(
extern "C" __global__ void __launch_bounds__(64) two(float* y) {
  if (threadIdx.x < 40) {
    __syncthreads();
  } else {
    __syncthreads();
  }
})",
                                         "two");
  expect_part(error_of(two, 1, 64, 1, y.data()), "threads at different barriers");
  // The next run is none the worse for it.
  const HostKernel right = compile_on_host(kReverse, "reverse");
  const std::vector<float> x = counting(256);
  std::vector<float> z(256);
  run(right, 1, 256, 1, x.data(), z.data());
  EXPECT_EQ(z, reversed_blocks(x));
}

TEST_F(Host, PartialShuffles) {
  const std::string text = R"(
extern "C" __global__ void __launch_bounds__(64) partial(int* y) {
  int v = threadIdx.x;
  if (threadIdx.x < 48) v = __shfl_down_sync(0xffffffffu, v, 1);
  y[threadIdx.x] = v;
})";
  std::vector<int> y(64);
  expect_part(error_of(compile_on_host(text, "partial"), 1, 64, 1, y.data()),
              "threads 32-47 wait at the shuffle in line 4; threads 48-63 have ended");
  const std::string whole = replaced(text, "if (threadIdx.x < 48) ", "");
  EXPECT_EQ(error_of(compile_on_host(whole, "partial"), 1, 64, 1, y.data()), "");
  expect_part(error_of(compile_on_host(whole, "partial"), 1, 40, 1, y.data()), "not all threads came");
  expect_part(error_of(compile_on_host(replaced(whole, "0xffffffffu", "0xffffu"), "partial"), 1, 64, 1, y.data()),
              "without all lanes in its mask in line 4");
}

TEST_F(Host, DroppedBarriersGiveWrongResults) {
  const std::vector<float> x = counting(512), expected = reversed_blocks(x);
  for (int dropped = 0; dropped < 2; ++dropped) {
    const std::string text = replaced(kReverse, "__syncthreads();", ";", dropped);
    const HostKernel kernel = compile_on_host(text, "reverse", Checks::order);
    int wrong = 0;
    for (uint64_t seed = 0; seed < 100; ++seed) {
      std::vector<float> y(512, -1);
      run(kernel, 2, 256, seed, x.data(), y.data());
      wrong += y != expected;
    }
    std::printf("barrier %d dropped: wrong in %d of 100 orders\n", dropped, wrong);
    EXPECT_GT(wrong, 90);
  }
}

TEST_F(Host, DataRacesAreNamed) {
  const std::vector<float> x = counting(512);
  std::vector<float> y(512);
  for (int dropped = 0; dropped < 2; ++dropped) {
    const HostKernel kernel = compile_on_host(replaced(kReverse, "__syncthreads();", ";", dropped), "reverse");
    for (uint64_t seed = 0; seed < 20; ++seed) {
      expect_part(error_of(kernel, 2, 256, seed, x.data(), y.data()), "a data race in shared memory");
    }
  }
  // Threads of different blocks meet in global memory, whatever the barriers.
  const std::string overlapping = replaced(kAddOne, "* 32", "* 31");
  const HostKernel blocks = compile_on_host(replaced(overlapping, "1.0f", "blockIdx.x"), "add_one");
  expect_part(error_of(blocks, 3, 32, 1, x.data(), y.data()), "a data race in global memory");
  EXPECT_EQ(error_of(blocks, 1, 32, 1, x.data(), y.data()), "");
  // Work that is done twice is none.
  EXPECT_EQ(error_of(compile_on_host(overlapping, "add_one"), 3, 32, 1, x.data(), y.data()), "");
}

TEST_F(Host, AccessesOutside) {
  const std::vector<float> x = counting(256);
  std::vector<float> y(256);
  const std::string index = "tile[255 - threadIdx.x]";
  const HostKernel shared = compile_on_host(replaced(kReverse, index, "tile[256 - threadIdx.x]"), "reverse");
  expect_part(error_of(shared, 1, 256, 1, x.data(), y.data()), "index outside its array in line 7");

  const HostKernel kernel = compile_on_host(kAddOne, "add_one");
  void* const arguments[] = {const_cast<float*>(x.data()), y.data()};
  const auto error_with = [&](const std::vector<Range>& memory) -> std::string {
    try {
      kernel.run(arguments, {.blocks = 4, .threads = 32, .memory = memory});
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(error_with({{x.data(), 400, false}, {y.data(), 400}}), "");
  expect_part(error_with({{x.data(), 396, false}, {y.data(), 400}}), "a read from memory that is not the kernel's");
  expect_part(error_with({{x.data(), 400, false}, {y.data(), 400, false}}), "a write to memory that is not");
}

TEST_F(Host, RefusedTextsAndArguments) {
  try {
    compile_on_host("extern \"C\" __global__ void bad(float* x) { x[0] = y; }", "bad");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported);
    expect_part(e.what(), "bad:1:");
  }
  const HostKernel kernel = compile_on_host(kAddOne, "add_one");
  expect_part(error_of(kernel, 1, 32, 0, &kernel), "has 2 parameters, not 1");
  expect_part(error_of(kernel, 1, 2000, 0, &kernel, &kernel), "1 blocks of 2000 threads");
}

TEST_F(Host, ManyTextsAtOnce) {
  // The same names in all of them.
  std::vector<Text> texts;
  for (int i = 0; i < 20; ++i) {
    texts.push_back({replaced(kSum, "y[blockIdx.x] = v", "y[blockIdx.x] = v + " + std::to_string(i)), "sum"});
  }
  const auto start = std::chrono::steady_clock::now();
  const std::vector<HostKernel> kernels = compile_on_host(texts);
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::printf("%zu kernels in one call of the compiler: %.0f ms each\n", texts.size(), ms / texts.size());
  const std::vector<float> x(256, 1);
  for (int i = 0; i < 20; ++i) {
    float y = 0;
    run(kernels[i], 1, 256, 1, x.data(), &y);
    EXPECT_EQ(y, 256 + i);
  }
}

TEST_F(Host, SwitchesAreCheap) {
  const std::string text = replaced(kReverse, "turn < 3", "turn < 201");
  const std::vector<float> x = counting(256);
  std::vector<float> y(256);
  for (const Checks checks : {Checks::order, Checks::accesses}) {
    auto start = std::chrono::steady_clock::now();
    const HostKernel kernel = compile_on_host(text, "reverse", checks);
    const std::chrono::duration<double> compiling = std::chrono::steady_clock::now() - start;
    start = std::chrono::steady_clock::now();
    const RunCounts counts = run(kernel, 1, 256, 1, x.data(), y.data());
    const std::chrono::duration<double> running = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(y, reversed_blocks(x));
    EXPECT_EQ(counts.switches, 256 * 403);
    std::printf("%s: compiled in %.0f ms, %.1f million switches per second\n",
                checks == Checks::order ? "orders" : "accesses", 1e3 * compiling.count(),
                1e-6 * static_cast<double>(counts.switches) / running.count());
  }
}

}  // namespace
}  // namespace altrt::cuda_host
