#pragma once

namespace altrt::base {

// What this library was built from and with.
struct BuildInfo {
  const char* version;   // "0.1.0"
  const char* commit;    // short hash of the source when the build was configured; "unknown" outside a checkout
  const char* llvm;      // "19.1.7"
  const char* compiler;  // "GNU 12.2.0"
  const char* target;    // "x86_64 Linux"
};

BuildInfo build_info();

}  // namespace altrt::base
