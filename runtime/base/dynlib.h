#pragma once

#include <string>

namespace altrt::base {

// A shared library opened at run time, with its symbols kept to itself. It is never closed: code of it may still be on
// a stack or in a static destructor.
class DynLib {
 public:
  // `path` may be a bare name, which the system's search finds. Throws Error(unavailable) naming the library and the
  // loader's reason.
  static DynLib open(const std::string& path);
  // The library `name` in the folder that holds libaltrt itself (or the program it is linked into).
  static DynLib open_beside(const std::string& name);

  // Throws Error(unavailable) naming the library and the symbol.
  template <typename Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(address(name));
  }
  void* address(const char* name) const;
  const std::string& path() const { return path_; }

 private:
  DynLib(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

  void* handle_;
  std::string path_;
};

// Folder of the file that holds libaltrt's code, found by address.
std::string library_folder();

}  // namespace altrt::base
