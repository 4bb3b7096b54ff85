// One protobuf message being read, strictly: wire types are checked, fields that may occur once occur once.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string_view>
#include <vector>

#include <protozero/pbf_reader.hpp>

#include "runtime/model/read_context.h"

namespace altrt::model {

using WireType = protozero::pbf_wire_type;

/// One occurrence of a repeated number field: packed numbers, or a single one.
struct Numbers {
  bool packed = false;
  std::string_view payload;  // packed
  uint64_t single = 0;       // else: the varint's value or the bits of the fixed-width number
};

/// Views point into the bytes given, which must outlive them. Malformed bytes end in Error(invalid_model).
///
///     Message message(bytes, "NodeProto", context, {node_proto::input, node_proto::output});
///     while (message.next()) {
///       if (message.field() == node_proto::name) name = message.bytes(); else message.skip();
///     }
class Message {
 public:
  /// `repeated` lists the fields that may occur more than once; fields above 63 always may.
  Message(std::string_view bytes, const char* kind, ReadContext& context, std::initializer_list<uint32_t> repeated);

  /// Moves to the next field; every field must be consumed by exactly one of the calls below.
  bool next();
  uint32_t field() const { return reader_.tag(); }

  std::string_view bytes();
  int64_t integer();
  float real();
  /// `element` is varint, fixed32 or fixed64. Packed payloads of fixed width are whole numbers.
  Numbers numbers(WireType element);
  void skip();

 private:
  [[noreturn]] void malformed(const char* what) const;
  void expect(WireType type) const;

  protozero::pbf_reader reader_;
  const char* kind_;
  ReadContext& context_;
  uint64_t seen_ = 0;
  uint64_t repeated_ = 0;
};

/// Calls `f(int64_t)` with each of varint numbers.
template <typename F>
void for_each_integer(const Numbers& numbers, const ReadContext& context, F&& f) {
  if (!numbers.packed) return f(static_cast<int64_t>(numbers.single));
  const char* at = numbers.payload.data();
  const char* const end = at + numbers.payload.size();
  while (at != end) {
    uint64_t value = 0;
    try {
      value = protozero::decode_varint(&at, end);
    } catch (const protozero::exception&) {
      context.fail("a packed integer is malformed");
    }
    f(static_cast<int64_t>(value));
  }
}

/// Calls `f(T)` with each of numbers of T's width (float, double).
template <typename T, typename F>
void for_each_fixed(const Numbers& numbers, F&& f) {
  T value;
  if (!numbers.packed) {
    std::memcpy(&value, &numbers.single, sizeof(T));  // the low bytes: files and supported machines are little-endian
    return f(value);
  }
  for (size_t i = 0; i + sizeof(T) <= numbers.payload.size(); i += sizeof(T)) {
    std::memcpy(&value, numbers.payload.data() + i, sizeof(T));
    f(value);
  }
}

/// All integers of a repeated varint field, taken from the context's budget.
void append_integers(const Numbers& numbers, ReadContext& context, std::vector<int64_t>& values);
void append_reals(const Numbers& numbers, ReadContext& context, std::vector<float>& values);

}  // namespace altrt::model
