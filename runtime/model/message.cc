#include "runtime/model/message.h"

#include <bit>

namespace altrt::model {

static_assert(std::endian::native == std::endian::little, "tensor data of files is copied as it is");

Message::Message(std::string_view bytes, const char* kind, ReadContext& context,
                 std::initializer_list<uint32_t> repeated)
    : reader_(bytes.data(), bytes.size()), kind_(kind), context_(context) {
  for (const uint32_t field : repeated) repeated_ |= uint64_t{1} << field;
}

void Message::malformed(const char* what) const { context_.fail(std::string(kind_) + " is malformed: " + what); }

bool Message::next() {
  try {
    if (!reader_.next()) return false;
  } catch (const protozero::exception& e) {
    malformed(e.what());
  }
  const uint32_t field = reader_.tag();
  if (field < 64) {
    const uint64_t bit = uint64_t{1} << field;
    if (seen_ & ~repeated_ & bit) {
      context_.fail(std::string(kind_) + ": field " + std::to_string(field) + " occurs more than once");
    }
    seen_ |= bit;
  }
  return true;
}

void Message::expect(WireType type) const {
  if (reader_.wire_type() != type) {
    context_.fail(std::string(kind_) + ": field " + std::to_string(reader_.tag()) + " has the wrong wire type");
  }
}

std::string_view Message::bytes() {
  expect(WireType::length_delimited);
  try {
    const auto view = reader_.get_view();
    return {view.data(), view.size()};
  } catch (const protozero::exception& e) {
    malformed(e.what());
  }
}

int64_t Message::integer() {
  expect(WireType::varint);
  try {
    return reader_.get_int64();
  } catch (const protozero::exception& e) {
    malformed(e.what());
  }
}

float Message::real() {
  expect(WireType::fixed32);
  try {
    return reader_.get_float();
  } catch (const protozero::exception& e) {
    malformed(e.what());
  }
}

Numbers Message::numbers(WireType element) {
  Numbers result;
  const size_t width = element == WireType::fixed32 ? 4 : element == WireType::fixed64 ? 8 : 1;
  if (reader_.wire_type() == WireType::length_delimited) {
    result.packed = true;
    result.payload = bytes();
    if (result.payload.size() % width != 0) malformed("packed numbers are cut off");
    return result;
  }
  expect(element);
  try {
    if (element == WireType::varint) {
      result.single = static_cast<uint64_t>(reader_.get_int64());
    } else if (element == WireType::fixed32) {
      result.single = reader_.get_fixed32();
    } else {
      result.single = reader_.get_fixed64();
    }
  } catch (const protozero::exception& e) {
    malformed(e.what());
  }
  return result;
}

void Message::skip() {
  try {
    reader_.skip();
  } catch (const protozero::exception& e) {
    malformed(e.what());
  }
}

void append_integers(const Numbers& numbers, ReadContext& context, std::vector<int64_t>& values) {
  context.take(sizeof(int64_t) * (numbers.packed ? numbers.payload.size() : 1));
  for_each_integer(numbers, context, [&](int64_t value) { values.push_back(value); });
}

void append_reals(const Numbers& numbers, ReadContext& context, std::vector<float>& values) {
  context.take(numbers.packed ? numbers.payload.size() : sizeof(float));
  for_each_fixed<float>(numbers, [&](float value) { values.push_back(value); });
}

}  // namespace altrt::model
