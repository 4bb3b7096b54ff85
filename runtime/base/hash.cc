#include "runtime/base/hash.h"

#include <altrt/error.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace altrt::base {

uint64_t hash_bytes(const void* data, size_t size, uint64_t seed) { return XXH3_64bits_withSeed(data, size, seed); }

uint64_t hash_pieces(size_t size, size_t piece, uint64_t seed, FunctionRef<const void*(size_t, size_t)> bytes) {
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(), XXH3_freeState);
  if (!state) throw Error(ErrorCode::out_of_memory, "no memory to hash with");
  XXH3_64bits_reset_withSeed(state.get(), seed);
  for (size_t at = 0; at < size;) {
    const size_t count = std::min(piece, size - at);
    XXH3_64bits_update(state.get(), bytes(at, count), count);
    at += count;
  }
  return XXH3_64bits_digest(state.get());
}

Hasher& Hasher::add(std::string_view text) {
  add_word(text.size());
  return add_bytes(text.data(), text.size());
}

Hasher& Hasher::add_bytes(const void* data, size_t size) {
  state_ = hash_bytes(data, size, state_);
  return *this;
}

Hasher& Hasher::add(double value) {
  uint64_t word;
  std::memcpy(&word, &value, sizeof word);
  return add_word(word);
}

Hasher& Hasher::add_word(uint64_t word) { return add_bytes(&word, sizeof word); }

std::string hex(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, value >>= 4) text[i] = kDigits[value & 15];
  return text;
}

}  // namespace altrt::base
