#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "runtime/base/function_ref.h"

namespace altrt::base {

// 64-bit xxHash (XXH3) of `size` bytes. The value is the same on every machine and in every version of this library,
// so that it may be written to files.
uint64_t hash_bytes(const void* data, size_t size, uint64_t seed = 0);

// The same of bytes that are not in memory together: `bytes(offset, count)` is asked for one piece of at most
// `piece` bytes after the other.
uint64_t hash_pieces(size_t size, size_t piece, uint64_t seed, FunctionRef<const void*(size_t, size_t)> bytes);

// Running hash of a sequence of values. Strings are hashed with their length, so that ("ab", "c") and ("a", "bc")
// differ; integers as 64-bit, so that the width of the caller's type does not matter.
class Hasher {
 public:
  explicit Hasher(uint64_t seed = 0) : state_(seed) {}

  Hasher& add(std::string_view text);
  Hasher& add_bytes(const void* data, size_t size);
  template <typename T>
  requires std::is_integral_v<T> Hasher& add(T value) {
    return add_word(static_cast<uint64_t>(static_cast<int64_t>(value)));
  }
  template <typename T>
  requires std::is_enum_v<T> Hasher& add(T value) { return add(static_cast<std::underlying_type_t<T>>(value)); }
  // By bit pattern: +0 and -0 differ, NaNs with the same bits are equal.
  Hasher& add(double value);

  uint64_t value() const { return state_; }

 private:
  Hasher& add_word(uint64_t word);

  uint64_t state_;
};

// 16 lower-case hexadecimal digits, for file names.
std::string hex(uint64_t value);

}  // namespace altrt::base
