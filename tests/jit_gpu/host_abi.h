// Between kernels compiled for the host and the machine that runs them. Included by both sides: no other headers.
#pragma once

namespace altrt::cuda_host {

struct Index {
  unsigned x, y, z;
};

/// What the threads of a kernel call. `line` is the line of the kernel's text.
struct Calls {
  void (*barrier)(int line);
  /// The value of the warp's lane `source`; all 32 lanes must come together.
  unsigned long long (*shuffle)(int line, unsigned mask, unsigned long long value, int source);
  /// Before every access to memory that other threads can see.
  void (*access)(const void* address, unsigned long long bytes, bool write);
  /// Ends the run.
  void (*trouble)(const char* what, int line);
};

/// One kernel of a compiled library.
struct Program {
  const char* entry;
  int parameters;
  void (*call)(void* const* parameters);     // each points to one parameter's value
  unsigned char *shared, *shared_end;        // its arrays in shared memory; null where it has none
  const unsigned char *image, *image_end;    // the library's own memory
  Index *thread, *block, *threads, *blocks;  // threadIdx, blockIdx, blockDim, gridDim
};

/// What a library exports as altrt_cuda_library.
struct Library {
  Calls* calls;  // to be filled before anything runs
  const Program* const* programs;
  int count;
};

}  // namespace altrt::cuda_host
