// The CUDA Driver API and NVRTC as tables of functions: what is used of them and nothing more. Both libraries are
// opened at run time; the declarations here are ours, and no header of the toolkit is needed.
#pragma once

#include <cstddef>
#include <string>
#include <type_traits>

namespace altrt::jit::gpu {

// --- types of the Driver API ---
using CuResult = int;
using CuDevice = int;
using CuAddress = unsigned long long;
using CuContext = struct CuContextTag*;
using CuModule = struct CuModuleTag*;
using CuFunction = struct CuFunctionTag*;
using CuStream = struct CuStreamTag*;
using CuEvent = struct CuEventTag*;
using CuGraph = struct CuGraphTag*;
using CuGraphNode = struct CuGraphNodeTag*;
using CuGraphExec = struct CuGraphExecTag*;

/// First version of the structure: its functions have no version suffix.
struct CuKernelNode {
  CuFunction function;
  unsigned grid_x, grid_y, grid_z;
  unsigned block_x, block_y, block_z;
  unsigned shared_bytes;
  void** parameters;  // one address of an argument per parameter, read within the call
  void** extra;
};
static_assert(std::is_trivial_v<CuKernelNode> && sizeof(CuKernelNode) == 56 &&
              offsetof(CuKernelNode, parameters) == 40);

enum CuResultCode : CuResult {
  kCuSuccess = 0,
  kCuInvalidValue = 1,
  kCuOutOfMemory = 2,
  kCuNotInitialized = 3,
  kCuDeinitialized = 4,
  kCuStubLibrary = 34,
  kCuNeedsNewerDriver = 36,
  kCuDeviceUnavailable = 46,
  kCuNoDevice = 100,
  kCuInvalidDevice = 101,
  kCuDeviceNotLicensed = 102,
  kCuInvalidImage = 200,
  kCuInvalidContext = 201,
  kCuNoBinaryForGpu = 209,
  kCuEccUncorrectable = 214,
  kCuInvalidPtx = 218,
  kCuNvlinkUncorrectable = 220,
  kCuJitCompilerNotFound = 221,
  kCuUnsupportedPtxVersion = 222,
  kCuJitCompilationDisabled = 223,
  kCuContained = 226,
  kCuSharedObjectSymbolNotFound = 302,
  kCuSharedObjectInitFailed = 303,
  kCuOperatingSystem = 304,
  kCuInvalidHandle = 400,
  kCuNotFound = 500,
  kCuNotReady = 600,
  kCuIllegalAddress = 700,
  kCuLaunchOutOfResources = 701,
  kCuLaunchTimeout = 702,
  kCuContextIsDestroyed = 709,
  kCuAssert = 710,
  kCuHardwareStackError = 714,
  kCuIllegalInstruction = 715,
  kCuMisalignedAddress = 716,
  kCuInvalidAddressSpace = 717,
  kCuInvalidPc = 718,
  kCuLaunchFailed = 719,
  kCuTensorMemoryLeak = 721,
  kCuSystemNotReady = 802,
  kCuSystemDriverMismatch = 803,
  kCuCompatNotSupportedOnDevice = 804,
  kCuUnknown = 999
};

enum CuDeviceAttribute : int {
  kCuMaxThreadsPerBlock = 1,
  kCuMaxGridX = 5,
  kCuSharedBytesPerBlock = 8,  // without opting in to more
  kCuMultiprocessors = 16,
  kCuL2Bytes = 38,
  kCuComputeMajor = 75,
  kCuComputeMinor = 76
};
enum CuFunctionAttribute : int { kCuFunctionMaxThreads = 0, kCuFunctionLocalBytes = 3, kCuFunctionRegisters = 4 };
enum CuJitOption : int { kCuJitErrorLog = 5, kCuJitErrorLogBytes = 6 };
inline constexpr unsigned kCuStreamNonBlocking = 1;

/// The oldest driver that has all of these functions: CUDA 11.4, as cuDriverGetVersion() counts.
inline constexpr int kOldestDriver = 11040;

/// Each member is the function of that name; a symbol with another name stands behind it. Flags that must be 0 are
/// passed as 0.
struct Driver {
  CuResult (*cuInit)(unsigned flags);
  CuResult (*cuDriverGetVersion)(int* version);
  CuResult (*cuGetErrorName)(CuResult result, const char** name);
  CuResult (*cuGetErrorString)(CuResult result, const char** text);

  CuResult (*cuDeviceGetCount)(int* count);
  CuResult (*cuDeviceGet)(CuDevice* device, int number);
  CuResult (*cuDeviceGetName)(char* name, int bytes, CuDevice device);
  CuResult (*cuDeviceGetAttribute)(int* value, int attribute, CuDevice device);
  CuResult (*cuDeviceTotalMem)(size_t* bytes, CuDevice device);  // cuDeviceTotalMem_v2
  CuResult (*cuDevicePrimaryCtxRetain)(CuContext* context, CuDevice device);
  CuResult (*cuDevicePrimaryCtxRelease)(CuDevice device);  // cuDevicePrimaryCtxRelease_v2

  CuResult (*cuCtxPushCurrent)(CuContext context);  // cuCtxPushCurrent_v2
  CuResult (*cuCtxPopCurrent)(CuContext* context);  // cuCtxPopCurrent_v2

  CuResult (*cuModuleLoadDataEx)(CuModule* module, const void* image, unsigned options, int* option, void** values);
  CuResult (*cuModuleUnload)(CuModule module);
  CuResult (*cuModuleGetFunction)(CuFunction* function, CuModule module, const char* name);
  CuResult (*cuFuncGetAttribute)(int* value, int attribute, CuFunction function);

  CuResult (*cuMemAlloc)(CuAddress* address, size_t bytes);                                      // cuMemAlloc_v2
  CuResult (*cuMemFree)(CuAddress address);                                                      // cuMemFree_v2
  CuResult (*cuMemcpyHtoDAsync)(CuAddress to, const void* from, size_t bytes, CuStream stream);  // ..._v2
  CuResult (*cuMemcpyDtoHAsync)(void* to, CuAddress from, size_t bytes, CuStream stream);        // ..._v2
  CuResult (*cuMemcpyDtoDAsync)(CuAddress to, CuAddress from, size_t bytes, CuStream stream);    // ..._v2
  CuResult (*cuMemsetD8Async)(CuAddress to, unsigned char byte, size_t bytes, CuStream stream);

  CuResult (*cuStreamCreate)(CuStream* stream, unsigned flags);
  CuResult (*cuStreamDestroy)(CuStream stream);  // cuStreamDestroy_v2
  CuResult (*cuStreamSynchronize)(CuStream stream);
  CuResult (*cuStreamGetCtx)(CuStream stream, CuContext* context);

  CuResult (*cuEventCreate)(CuEvent* event, unsigned flags);
  CuResult (*cuEventDestroy)(CuEvent event);  // cuEventDestroy_v2
  CuResult (*cuEventRecord)(CuEvent event, CuStream stream);
  CuResult (*cuEventElapsedTime)(float* milliseconds, CuEvent from, CuEvent to);

  /// parameters: one address of an argument per parameter, read within the call.
  CuResult (*cuLaunchKernel)(CuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                             unsigned block_y, unsigned block_z, unsigned shared_bytes, CuStream stream,
                             void** parameters, void** extra);

  CuResult (*cuGraphCreate)(CuGraph* graph, unsigned flags);
  CuResult (*cuGraphDestroy)(CuGraph graph);
  CuResult (*cuGraphAddKernelNode)(CuGraphNode* node, CuGraph graph, const CuGraphNode* dependencies, size_t count,
                                   const CuKernelNode* kernel);
  CuResult (*cuGraphInstantiate)(CuGraphExec* exec, CuGraph graph, unsigned long long flags);  // ...WithFlags
  CuResult (*cuGraphExecDestroy)(CuGraphExec exec);
  CuResult (*cuGraphExecKernelNodeSetParams)(CuGraphExec exec, CuGraphNode node, const CuKernelNode* kernel);
  CuResult (*cuGraphLaunch)(CuGraphExec exec, CuStream stream);
};

// --- NVRTC ---
using NvrtcResult = int;
using NvrtcProgram = struct NvrtcProgramTag*;
inline constexpr NvrtcResult kNvrtcSuccess = 0, kNvrtcOutOfMemory = 1, kNvrtcCompilation = 6;

struct Nvrtc {
  const char* (*nvrtcGetErrorString)(NvrtcResult result);
  NvrtcResult (*nvrtcVersion)(int* major, int* minor);
  NvrtcResult (*nvrtcGetNumSupportedArchs)(int* count);
  NvrtcResult (*nvrtcGetSupportedArchs)(int* architectures);  // 90 for sm_90, ascending
  NvrtcResult (*nvrtcCreateProgram)(NvrtcProgram* program, const char* source, const char* name, int headers,
                                    const char* const* header_texts, const char* const* header_names);
  NvrtcResult (*nvrtcDestroyProgram)(NvrtcProgram* program);
  NvrtcResult (*nvrtcCompileProgram)(NvrtcProgram program, int options, const char* const* option);
  NvrtcResult (*nvrtcGetProgramLogSize)(NvrtcProgram program, size_t* bytes);  // with the terminating 0
  NvrtcResult (*nvrtcGetProgramLog)(NvrtcProgram program, char* log);
  NvrtcResult (*nvrtcGetCUBINSize)(NvrtcProgram program, size_t* bytes);
  NvrtcResult (*nvrtcGetCUBIN)(NvrtcProgram program, char* cubin);
  NvrtcResult (*nvrtcGetPTXSize)(NvrtcProgram program, size_t* bytes);  // with the terminating 0
  NvrtcResult (*nvrtcGetPTX)(NvrtcProgram program, char* ptx);
};

// --- where they come from ---
/// The libraries, opened on first use and never closed. Thread-safe. Error(unavailable) says what is missing: each name
/// that was tried with the loader's reason, a symbol, or the driver's version and the one that is needed.
///
/// The driver is $ALTRT_LIBCUDA or libcuda.so.1; NVRTC is $ALTRT_NVRTC, or libnvrtc.so.13, .12, .11.2 or without a
/// number, from the system's search, then from lib64 of $CUDA_HOME and $CUDA_PATH.
const Driver& driver();
const Nvrtc& nvrtc();

/// "13.0" for 13000.
std::string driver_version_text(int version);
/// Error(unavailable) for a driver older than kOldestDriver.
void require_driver_version(const Driver& driver);

/// Puts other tables in the place of the libraries while it lives, for the whole process: tests. Null leaves what is
/// there. Scopes nest; devices keep the table that they were opened with, which must outlive them.
class UseTables {
 public:
  UseTables(const Driver* driver, const Nvrtc* nvrtc);
  ~UseTables();
  UseTables(const UseTables&) = delete;
  UseTables& operator=(const UseTables&) = delete;

 private:
  const Driver* driver_before_;
  const Nvrtc* nvrtc_before_;
};

}  // namespace altrt::jit::gpu
