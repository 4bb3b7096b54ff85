// The one exception type that libaltrt throws.
#pragma once

#include <stdexcept>
#include <string>

#include <altrt/export.h>

namespace altrt {

/// What went wrong, coarsely enough to act on. Values are stable: they are the codes of the C interface too.
enum class ErrorCode : int {
  invalid_model = 1,     ///< The model file or graph is malformed or contradicts itself.
  unsupported = 2,       ///< Well formed, but uses an operator, type or form that libaltrt does not have.
  invalid_argument = 3,  ///< A call's argument does not fit: unknown name, wrong type, rank or shape, bad option.
  io = 4,                ///< A file could not be read or written.
  out_of_memory = 5,     ///< A size is beyond the limits or the allocation failed.
  unavailable = 6,       ///< A device or library asked for is not on this machine.
  cancelled = 7,         ///< A progress callback asked to stop where stopping leaves nothing to return.
  internal = 8           ///< A verifier refused what an earlier stage made: a fault of libaltrt itself.
};

/// Thrown by every call that can fail. `what()` names the file, node and field at fault where they exist.
class ALTRT_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace altrt
