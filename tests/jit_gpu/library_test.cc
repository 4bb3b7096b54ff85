// Libraries that are missing, too old or incomplete.
#include <cstdlib>
#include <string>

#include "jit/gpu/gpu.h"
#include "tests/jit_gpu/expect_error.h"
#include "tests/jit_gpu/fake_driver.h"

namespace altrt::jit::gpu {
namespace {

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { before_.empty() ? unsetenv(name_) : setenv(name_, before_.c_str(), 1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string before_;
};

// The real libraries are never opened in this program: what is opened once stays.
TEST(GpuLibraries, MissingOnesAreNamed) {
  const Variable cuda("ALTRT_LIBCUDA", "/nowhere/libcuda.so"), nvrtc_path("ALTRT_NVRTC", "/nowhere/libnvrtc.so");
  EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [] { open_device(0); }), "cannot open /nowhere/libcuda.so: "));
  EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [] { nvrtc(); }), "cannot open /nowhere/libnvrtc.so: "));
  EXPECT_EQ(nvrtc_version(), "");
}

TEST(GpuLibraries, MissingSymbolsAreNamed) {
  const Variable cuda("ALTRT_LIBCUDA", "libm.so.6"), nvrtc_path("ALTRT_NVRTC", "libm.so.6");
  EXPECT_TRUE(
      contains(error_of(ErrorCode::unavailable, [] { driver(); }), "libm.so.6 has no symbol cuDriverGetVersion"));
  EXPECT_TRUE(
      contains(error_of(ErrorCode::unavailable, [] { nvrtc(); }), "libm.so.6 has no symbol nvrtcGetErrorString"));
}

TEST(GpuLibraries, OldDriversAreRefusedWithBothVersions) {
  const Variable cuda("ALTRT_LIBCUDA", ALTRT_OLD_DRIVER_FILE);
  {
    const Variable version("ALTRT_TEST_DRIVER_VERSION", "10020");
    EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [] { open_device(0); }),
                         "driver is too old: it supports CUDA 10.2, and 11.4 or newer is needed"));
  }
  const Variable version("ALTRT_TEST_DRIVER_VERSION", "12040");
  EXPECT_TRUE(contains(error_of(ErrorCode::unavailable, [] { driver(); }), "has no symbol cuInit"));
}

TEST(GpuLibraries, OtherTablesComeAndGo) {
  FakeDriver fake;
  Driver second = fake.table();
  const UseTables outer(&fake.table(), nullptr);
  {
    const UseTables inner(&second, nullptr);
    EXPECT_EQ(&driver(), &second);
    const UseTables none(nullptr, nullptr);
    EXPECT_EQ(&driver(), &second);
  }
  EXPECT_EQ(&driver(), &fake.table());
}

}  // namespace
}  // namespace altrt::jit::gpu
