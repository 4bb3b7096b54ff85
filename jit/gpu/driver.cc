#include "jit/gpu/driver.h"

#include <altrt/error.h>

#include <atomic>
#include <utility>
#include <vector>

#include "runtime/base/dynlib.h"
#include "runtime/base/env.h"

namespace altrt::jit::gpu {
namespace {

std::atomic<const Driver*> driver_in_place = nullptr;
std::atomic<const Nvrtc*> nvrtc_in_place = nullptr;

template <typename Result, typename... Parameters>
void bind(const base::DynLib& library, const char* symbol, Result (*&member)(Parameters...)) {
  member = library.function<Result(Parameters...)>(symbol);
}

/// The first library that opens.
base::DynLib open_first(const std::string& what, const std::vector<std::string>& names) {
  std::string reasons;
  for (const std::string& name : names) {
    try {
      return base::DynLib::open(name);
    } catch (const Error& error) {
      reasons += std::string("\n  ") + error.what();
    }
  }
  throw Error(ErrorCode::unavailable, what + " is not to be found:" + reasons);
}

void bind_graphs(const base::DynLib& library, Driver& table) {
  bind(library, "cuGraphCreate", table.cuGraphCreate);
  bind(library, "cuGraphDestroy", table.cuGraphDestroy);
  bind(library, "cuGraphAddKernelNode", table.cuGraphAddKernelNode);
  bind(library, "cuGraphInstantiateWithFlags", table.cuGraphInstantiate);
  bind(library, "cuGraphExecDestroy", table.cuGraphExecDestroy);
  bind(library, "cuGraphExecKernelNodeSetParams", table.cuGraphExecKernelNodeSetParams);
  bind(library, "cuGraphLaunch", table.cuGraphLaunch);
}

Driver load_driver() {
  const std::string name = base::env("ALTRT_LIBCUDA").value_or("libcuda.so.1");
  const base::DynLib library = open_first("NVIDIA's driver (libcuda)", {name});
  Driver table;
  // The version first: an old driver lacks symbols too, and its version says more.
  bind(library, "cuDriverGetVersion", table.cuDriverGetVersion);
  require_driver_version(table);
  bind(library, "cuInit", table.cuInit);
  bind(library, "cuGetErrorName", table.cuGetErrorName);
  bind(library, "cuGetErrorString", table.cuGetErrorString);
  bind(library, "cuDeviceGetCount", table.cuDeviceGetCount);
  bind(library, "cuDeviceGet", table.cuDeviceGet);
  bind(library, "cuDeviceGetName", table.cuDeviceGetName);
  bind(library, "cuDeviceGetAttribute", table.cuDeviceGetAttribute);
  bind(library, "cuDeviceTotalMem_v2", table.cuDeviceTotalMem);
  bind(library, "cuDevicePrimaryCtxRetain", table.cuDevicePrimaryCtxRetain);
  bind(library, "cuDevicePrimaryCtxRelease_v2", table.cuDevicePrimaryCtxRelease);
  bind(library, "cuCtxPushCurrent_v2", table.cuCtxPushCurrent);
  bind(library, "cuCtxPopCurrent_v2", table.cuCtxPopCurrent);
  bind(library, "cuModuleLoadDataEx", table.cuModuleLoadDataEx);
  bind(library, "cuModuleUnload", table.cuModuleUnload);
  bind(library, "cuModuleGetFunction", table.cuModuleGetFunction);
  bind(library, "cuFuncGetAttribute", table.cuFuncGetAttribute);
  bind(library, "cuMemAlloc_v2", table.cuMemAlloc);
  bind(library, "cuMemFree_v2", table.cuMemFree);
  bind(library, "cuMemcpyHtoDAsync_v2", table.cuMemcpyHtoDAsync);
  bind(library, "cuMemcpyDtoHAsync_v2", table.cuMemcpyDtoHAsync);
  bind(library, "cuMemcpyDtoDAsync_v2", table.cuMemcpyDtoDAsync);
  bind(library, "cuMemsetD8Async", table.cuMemsetD8Async);
  bind(library, "cuStreamCreate", table.cuStreamCreate);
  bind(library, "cuStreamDestroy_v2", table.cuStreamDestroy);
  bind(library, "cuStreamSynchronize", table.cuStreamSynchronize);
  bind(library, "cuStreamGetCtx", table.cuStreamGetCtx);
  bind(library, "cuEventCreate", table.cuEventCreate);
  bind(library, "cuEventDestroy_v2", table.cuEventDestroy);
  bind(library, "cuEventRecord", table.cuEventRecord);
  bind(library, "cuEventElapsedTime", table.cuEventElapsedTime);
  bind(library, "cuLaunchKernel", table.cuLaunchKernel);
  bind_graphs(library, table);
  return table;
}

std::vector<std::string> nvrtc_names() {
  if (const auto path = base::env("ALTRT_NVRTC")) return {*path};
  const std::vector<std::string> plain = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"};
  std::vector<std::string> names = plain;
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const auto folder = base::env(variable);
    if (!folder) continue;
    for (const std::string& name : plain) names.push_back(*folder + "/lib64/" + name);
  }
  return names;
}

Nvrtc load_nvrtc() {
  const base::DynLib library = open_first("NVIDIA's run-time compiler (libnvrtc)", nvrtc_names());
  Nvrtc table;
  bind(library, "nvrtcGetErrorString", table.nvrtcGetErrorString);
  bind(library, "nvrtcVersion", table.nvrtcVersion);
  bind(library, "nvrtcGetNumSupportedArchs", table.nvrtcGetNumSupportedArchs);
  bind(library, "nvrtcGetSupportedArchs", table.nvrtcGetSupportedArchs);
  bind(library, "nvrtcCreateProgram", table.nvrtcCreateProgram);
  bind(library, "nvrtcDestroyProgram", table.nvrtcDestroyProgram);
  bind(library, "nvrtcCompileProgram", table.nvrtcCompileProgram);
  bind(library, "nvrtcGetProgramLogSize", table.nvrtcGetProgramLogSize);
  bind(library, "nvrtcGetProgramLog", table.nvrtcGetProgramLog);
  bind(library, "nvrtcGetCUBINSize", table.nvrtcGetCUBINSize);
  bind(library, "nvrtcGetCUBIN", table.nvrtcGetCUBIN);
  bind(library, "nvrtcGetPTXSize", table.nvrtcGetPTXSize);
  bind(library, "nvrtcGetPTX", table.nvrtcGetPTX);
  return table;
}

}  // namespace

const Driver& driver() {
  if (const Driver* table = driver_in_place.load()) return *table;
  static const Driver table = load_driver();  // a failure is tried again by the next call
  return table;
}

const Nvrtc& nvrtc() {
  if (const Nvrtc* table = nvrtc_in_place.load()) return *table;
  static const Nvrtc table = load_nvrtc();
  return table;
}

std::string driver_version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

void require_driver_version(const Driver& driver) {
  int version = 0;
  const CuResult result = driver.cuDriverGetVersion(&version);
  if (result != kCuSuccess) {
    throw Error(ErrorCode::unavailable, "cuDriverGetVersion failed with error " + std::to_string(result));
  }
  if (version >= kOldestDriver) return;
  throw Error(ErrorCode::unavailable, "NVIDIA's driver is too old: it supports CUDA " + driver_version_text(version) +
                                          ", and " + driver_version_text(kOldestDriver) + " or newer is needed");
}

UseTables::UseTables(const Driver* driver, const Nvrtc* nvrtc)
    : driver_before_(driver_in_place.load()), nvrtc_before_(nvrtc_in_place.load()) {
  if (driver) driver_in_place.store(driver);
  if (nvrtc) nvrtc_in_place.store(nvrtc);
}

UseTables::~UseTables() {
  driver_in_place.store(driver_before_);
  nvrtc_in_place.store(nvrtc_before_);
}

}  // namespace altrt::jit::gpu
