#include "jit/cpu/memory.h"

#include <altrt/error.h>

#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/buffer.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace altrt::jit::cpu {
namespace {

/// Kernels before 6.3 do not know MFD_EXEC; later ones may insist on it.
int executable_memfd() {
  const int fd = memfd_create("altrt-code", MFD_CLOEXEC | MFD_EXEC);
  return fd >= 0 ? fd : memfd_create("altrt-code", MFD_CLOEXEC);
}

uint8_t* map(size_t size, int protection, int flags, int fd) {
  void* p = mmap(nullptr, size, protection, flags, fd, 0);
  return p == MAP_FAILED ? nullptr : static_cast<uint8_t*>(p);
}

}  // namespace

CodeMemory::CodeMemory(size_t capacity)
    : capacity_(base::round_up(capacity, static_cast<size_t>(sysconf(_SC_PAGESIZE)))) {
  if (!map_twice() && !map_once()) {
    throw Error(ErrorCode::unavailable, "this host gives no executable memory");
  }
}

CodeMemory::~CodeMemory() {
  if (writable_ && writable_ != executable_) munmap(writable_, capacity_);
  if (executable_) munmap(executable_, capacity_);
}

bool CodeMemory::map_twice() {
  const int fd = executable_memfd();
  if (fd < 0) return false;
  if (ftruncate(fd, static_cast<off_t>(capacity_)) == 0) {
    writable_ = map(capacity_, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    if (writable_) executable_ = map(capacity_, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
  }
  close(fd);
  if (executable_) return true;
  if (writable_) munmap(writable_, capacity_);
  writable_ = nullptr;
  return false;
}

bool CodeMemory::map_once() {
  writable_ = executable_ = map(capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  return writable_ != nullptr;
}

size_t CodeMemory::reserve(size_t size, size_t alignment) {
  const size_t offset = base::round_up(used_, alignment);
  if (offset > capacity_ || size > capacity_ - offset) return SIZE_MAX;
  used_ = offset + size;
  return offset;
}

void CodeMemory::seal() {
  if (writable_ != executable_) {
    munmap(writable_, capacity_);
  } else if (mprotect(executable_, capacity_, PROT_READ | PROT_EXEC) != 0) {
    throw Error(ErrorCode::unavailable, "this host does not let written memory become executable");
  }
  writable_ = nullptr;
  __builtin___clear_cache(reinterpret_cast<char*>(executable_), reinterpret_cast<char*>(executable_ + capacity_));
}

}  // namespace altrt::jit::cpu
