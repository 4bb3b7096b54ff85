#include "runtime/base/dynlib.h"

#include <altrt/error.h>
#include <dlfcn.h>

#include <filesystem>

namespace altrt::base {

DynLib DynLib::open(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* reason = dlerror();
    throw Error(ErrorCode::unavailable, "cannot open " + path + ": " + (reason ? reason : "no reason given"));
  }
  return DynLib(handle, path);
}

DynLib DynLib::open_beside(const std::string& name) { return open(library_folder() + "/" + name); }

void* DynLib::address(const char* name) const {
  void* symbol = dlsym(handle_, name);
  if (!symbol) throw Error(ErrorCode::unavailable, path_ + " has no symbol " + name);
  return symbol;
}

std::string library_folder() {
  static const char anchor = 0;
  Dl_info info;
  if (!dladdr(&anchor, &info) || !info.dli_fname) {
    throw Error(ErrorCode::unavailable, "cannot find the folder of libaltrt");
  }
  std::error_code code;
  std::filesystem::path file = std::filesystem::canonical(info.dli_fname, code);
  // A program started without a folder in its name is found through /proc instead.
  if (code) file = std::filesystem::canonical("/proc/self/exe", code);
  return file.parent_path().string();
}

}  // namespace altrt::base
