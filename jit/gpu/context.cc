#include "jit/gpu/context.h"

#include <altrt/error.h>

namespace altrt::jit::gpu {
namespace {

/// "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY, out of memory (4096 bytes)"
std::string text_of(const Driver& driver, CuResult result, const char* call, const std::string& subject) {
  const char *name = nullptr, *text = nullptr;
  std::string message = std::string(call) + ": ";
  if (driver.cuGetErrorName(result, &name) == kCuSuccess && name) {
    message += name;
  } else {
    message += "CUDA error " + std::to_string(result);
  }
  if (driver.cuGetErrorString(result, &text) == kCuSuccess && text) message += std::string(", ") + text;
  return subject.empty() ? message : message + " (" + subject + ")";
}

ErrorCode code_of(CuResult result) {
  switch (result) {
    case kCuOutOfMemory:
      return ErrorCode::out_of_memory;
    // The device or the driver:
    case kCuDeinitialized:
    case kCuStubLibrary:
    case kCuNeedsNewerDriver:
    case kCuDeviceUnavailable:
    case kCuNoDevice:
    case kCuInvalidDevice:
    case kCuDeviceNotLicensed:
    case kCuEccUncorrectable:
    case kCuNvlinkUncorrectable:
    case kCuContained:
    case kCuSharedObjectSymbolNotFound:
    case kCuSharedObjectInitFailed:
    case kCuOperatingSystem:
    case kCuContextIsDestroyed:
    case kCuSystemNotReady:
    case kCuSystemDriverMismatch:
    case kCuCompatNotSupportedOnDevice:
    // Code that does not fit them; cubins of a newer toolkit than the driver's are invalid images:
    case kCuInvalidImage:
    case kCuNoBinaryForGpu:
    case kCuJitCompilerNotFound:
    case kCuUnsupportedPtxVersion:
    case kCuJitCompilationDisabled:
      return ErrorCode::unavailable;
    default:
      return ErrorCode::internal;
  }
}

bool is_loss(CuResult result) {
  return is_kernel_fault(result) || result == kCuDeviceUnavailable || result == kCuEccUncorrectable ||
         result == kCuNvlinkUncorrectable || result == kCuContained || result == kCuContextIsDestroyed;
}

void check_call(const Driver& driver, CuResult result, const char* call, const std::string& subject = {}) {
  if (result != kCuSuccess) throw Error(code_of(result), text_of(driver, result, call, subject));
}

CuDevice find_device(const Driver& driver, int number) {
  check_call(driver, driver.cuInit(0), "cuInit");
  require_driver_version(driver);
  int count = 0;
  check_call(driver, driver.cuDeviceGetCount(&count), "cuDeviceGetCount");
  if (number < 0 || number >= count) {
    const std::string found = count == 0   ? "none"
                              : count == 1 ? "one, number 0"
                                           : "numbers 0 to " + std::to_string(count - 1);
    throw Error(ErrorCode::unavailable, "there is no GPU number " + std::to_string(number) + "; found: " + found);
  }
  CuDevice device = 0;
  check_call(driver, driver.cuDeviceGet(&device, number), "cuDeviceGet");
  return device;
}

Target target_of(const Driver& driver, CuDevice device) {
  auto attribute = [&](CuDeviceAttribute which) {
    int value = 0;
    check_call(driver, driver.cuDeviceGetAttribute(&value, which, device), "cuDeviceGetAttribute");
    return value;
  };
  const int capability = attribute(kCuComputeMajor) * 10 + attribute(kCuComputeMinor);
  Target target = named_target("sm_" + std::to_string(capability));
  target.multiprocessors = attribute(kCuMultiprocessors);
  target.l2_bytes = attribute(kCuL2Bytes);
  target.group_bytes = attribute(kCuSharedBytesPerBlock);
  return target;
}

std::string description_of(const Driver& driver, CuDevice device, const Target& target) {
  char name[256] = "";
  check_call(driver, driver.cuDeviceGetName(name, sizeof name, device), "cuDeviceGetName");
  int version = 0;
  check_call(driver, driver.cuDriverGetVersion(&version), "cuDriverGetVersion");
  return std::string(name) + " (" + target.features + "), driver " + driver_version_text(version);
}

}  // namespace

bool is_kernel_fault(CuResult result) {
  switch (result) {
    case kCuIllegalAddress:
    case kCuLaunchTimeout:
    case kCuAssert:
    case kCuHardwareStackError:
    case kCuIllegalInstruction:
    case kCuMisalignedAddress:
    case kCuInvalidAddressSpace:
    case kCuInvalidPc:
    case kCuLaunchFailed:
    case kCuTensorMemoryLeak:
      return true;
    default:
      return false;
  }
}

Context::Context(const Driver& driver, int number)
    : driver_(driver),
      device_(find_device(driver, number)),
      target_(target_of(driver, device_)),
      description_(description_of(driver, device_, target_)) {
  const CuResult result = driver_.cuDevicePrimaryCtxRetain(&handle_, device_);
  if (is_kernel_fault(result)) {
    throw Error(ErrorCode::unavailable,
                description_ + ": an earlier fault took it from this process; a new process has it again (" +
                    text_of(driver_, result, "cuDevicePrimaryCtxRetain", {}) + ")");
  }
  check(result, "cuDevicePrimaryCtxRetain");
}

Context::~Context() { driver_.cuDevicePrimaryCtxRelease(device_); }

void Context::fail(CuResult result, const char* call, const std::string& subject) const {
  std::string message = text_of(driver_, result, call, subject);
  if (!is_loss(result)) throw Error(code_of(result), description_ + ": " + message);
  const std::lock_guard guard(lock_);
  if (!cause_.empty()) {
    throw Error(ErrorCode::unavailable, description_ + " was lost: " + cause_ + "; then " + message);
  }
  cause_ = message;
  throw Error(code_of(result), description_ + ": " + message);
}

Current::Current(const Context& context) : driver_(context.driver()), set_(true) {
  context.check(driver_.cuCtxPushCurrent(context.handle()), "cuCtxPushCurrent");
}

Current::Current(const Context& context, std::nothrow_t) noexcept
    : driver_(context.driver()), set_(driver_.cuCtxPushCurrent(context.handle()) == kCuSuccess) {}

Current::~Current() {
  CuContext popped = nullptr;
  if (set_) driver_.cuCtxPopCurrent(&popped);
}

}  // namespace altrt::jit::gpu
