#include "runtime/model/tensor_reader.h"

#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "runtime/model/message.h"
#include "runtime/model/model_file.h"
#include "runtime/model/onnx_fields.h"

namespace altrt::model {

namespace {

using namespace onnx;

constexpr size_t kMostDimensions = 32;

constexpr std::array<std::pair<DataType, int64_t>, 7> kTypes{{{DataType::f32, float32},
                                                              {DataType::f64, float64},
                                                              {DataType::i64, int64},
                                                              {DataType::i32, int32},
                                                              {DataType::i8, int8},
                                                              {DataType::u8, uint8},
                                                              {DataType::boolean, onnx::boolean}}};

// The fields of a TensorProto, data not yet decoded.
struct RawTensor {
  Shape dims;
  int64_t element_type = 0;
  uint32_t data_field = 0;  // the field that holds the data; 0 = none yet
  std::string_view raw;
  std::vector<Numbers> numbers;
  bool external = false;
  std::optional<ExternalRange> range;
  bool segmented = false;
};

const char* field_name(uint32_t field) {
  switch (field) {
    case tensor_proto::float_data:
      return "float_data";
    case tensor_proto::int32_data:
      return "int32_data";
    case tensor_proto::string_data:
      return "string_data";
    case tensor_proto::int64_data:
      return "int64_data";
    case tensor_proto::raw_data:
      return "raw_data";
    case tensor_proto::double_data:
      return "double_data";
    default:
      return "uint64_data";
  }
}

uint64_t parse_number(std::string_view key, std::string_view text, const ReadContext& context) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    context.fail("external data: field " + quoted(key) + " is not a number: " + quoted(text));
  }
  return value;
}

void read_external_entry(std::string_view bytes, ReadContext& context, RawTensor& tensor, unsigned& seen) {
  Message message(bytes, "StringStringEntryProto", context, {});
  std::string_view key, value;
  while (message.next()) {
    if (message.field() == string_entry::key) {
      key = message.bytes();
    } else if (message.field() == string_entry::value) {
      value = message.bytes();
    } else {
      message.skip();
    }
  }
  if (!tensor.range) tensor.range.emplace();
  const unsigned bit = key == "location" ? 1 : key == "offset" ? 2 : key == "length" ? 4 : 0;
  if (seen & bit) context.fail("external data: field " + quoted(key) + " occurs more than once");
  seen |= bit;
  if (bit == 1) tensor.range->location = value;
  if (bit == 2) tensor.range->offset = parse_number(key, value, context);
  if (bit == 4) tensor.range->length = parse_number(key, value, context);
}

void add_numbers(Message& message, WireType element, ReadContext& context, RawTensor& tensor) {
  const auto numbers = message.numbers(element);
  if (numbers.packed && numbers.payload.empty()) return;  // writers may emit empty fields
  if (tensor.data_field != 0 && tensor.data_field != message.field()) {
    context.fail(std::string("both ") + field_name(tensor.data_field) + " and " + field_name(message.field()) +
                 " hold data");
  }
  tensor.data_field = message.field();
  context.take(sizeof(Numbers));
  tensor.numbers.push_back(numbers);
}

void read_raw_data(Message& message, ReadContext& context, RawTensor& tensor) {
  tensor.raw = message.bytes();
  if (tensor.raw.empty()) return;
  if (tensor.data_field != 0) {
    context.fail(std::string("both ") + field_name(tensor.data_field) + " and raw_data hold data");
  }
  tensor.data_field = tensor_proto::raw_data;
}

// The name alone, which may be the last field, so that messages about the other fields can tell it.
std::string_view read_name(std::string_view bytes, ReadContext& context) {
  using namespace tensor_proto;
  Message message(
      bytes, "TensorProto", context,
      {dims, float_data, int32_data, string_data, int64_data, double_data, uint64_data, external_data, metadata_props});
  std::string_view result;
  while (message.next()) {
    if (message.field() == tensor_proto::name) {
      result = message.bytes();
    } else {
      message.skip();
    }
  }
  return result;
}

RawTensor read_fields(std::string_view bytes, ReadContext& context) {
  using namespace tensor_proto;
  RawTensor tensor;
  unsigned external_seen = 0;
  Message message(
      bytes, "TensorProto", context,
      {dims, float_data, int32_data, string_data, int64_data, double_data, uint64_data, external_data, metadata_props});
  while (message.next()) {
    switch (message.field()) {
      case dims:
        append_integers(message.numbers(WireType::varint), context, tensor.dims);
        break;
      case data_type:
        tensor.element_type = message.integer();
        break;
      case segment:
        tensor.segmented = true;
        message.skip();
        break;
      case float_data:
        add_numbers(message, WireType::fixed32, context, tensor);
        break;
      case double_data:
        add_numbers(message, WireType::fixed64, context, tensor);
        break;
      case int32_data:
      case int64_data:
      case uint64_data:
        add_numbers(message, WireType::varint, context, tensor);
        break;
      case raw_data:
        read_raw_data(message, context, tensor);
        break;
      case external_data:
        read_external_entry(message.bytes(), context, tensor, external_seen);
        break;
      case data_location: {
        const int64_t location = message.integer();
        if (location != 0 && location != 1) context.fail("field 'data_location' is " + std::to_string(location));
        tensor.external = location == 1;
        break;
      }
      default:
        message.skip();
    }
  }
  return tensor;
}

// The typed field that may hold data of the type.
uint32_t typed_field(DataType type) {
  switch (type) {
    case DataType::f32:
      return tensor_proto::float_data;
    case DataType::f64:
      return tensor_proto::double_data;
    case DataType::i64:
      return tensor_proto::int64_data;
    default:
      return tensor_proto::int32_data;
  }
}

template <typename T>
void decode_integers(const RawTensor& raw, const ReadContext& context, int64_t count, T* out) {
  int64_t done = 0;
  for (const auto& numbers : raw.numbers) {
    for_each_integer(numbers, context, [&](int64_t value) {
      if (done == count)
        context.fail("field '" + std::string(field_name(raw.data_field)) + "' has more values than dims say");
      if (std::is_same_v<T, bool>) {
        value = value != 0;
      } else if (value < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
                 value > static_cast<int64_t>(std::numeric_limits<T>::max())) {
        context.fail("value " + std::to_string(value) + " does not fit the element type");
      }
      out[done++] = static_cast<T>(value);
    });
  }
  if (done != count) {
    context.fail("field '" + std::string(field_name(raw.data_field)) + "' has " + std::to_string(done) +
                 " values, dims say " + std::to_string(count));
  }
}

template <typename T>
void decode_fixed(const RawTensor& raw, T* out) {
  for (const auto& numbers : raw.numbers) for_each_fixed<T>(numbers, [&](T value) { *out++ = value; });
}

// Values at least (varints) or exactly (fixed width) in the typed field.
uint64_t values_present(const RawTensor& raw, DataType type) {
  const uint64_t width = type == DataType::f32 ? 4 : type == DataType::f64 ? 8 : 1;
  uint64_t values = 0;
  for (const auto& numbers : raw.numbers) values += numbers.packed ? numbers.payload.size() / width : 1;
  return values;
}

void check_typed(const RawTensor& raw, DataType type, uint64_t count, const ReadContext& context) {
  const std::string field = field_name(raw.data_field);
  if (raw.data_field != typed_field(type)) {
    context.fail("field '" + field + "' cannot hold elements of type " + to_string(type));
  }
  const uint64_t present = values_present(raw, type);
  const bool exact = type == DataType::f32 || type == DataType::f64;
  if (present < count || (exact && present != count)) {
    context.fail("field '" + field + "' has " + (exact ? "" : "at most ") + std::to_string(present) +
                 " values, dims say " + std::to_string(count));
  }
}

void decode_typed(const RawTensor& raw, const ReadContext& context, int64_t count, Tensor& tensor) {
  switch (tensor.type()) {
    case DataType::f32:
      return decode_fixed(raw, tensor.as<float>());
    case DataType::f64:
      return decode_fixed(raw, tensor.as<double>());
    case DataType::i64:
      return decode_integers(raw, context, count, tensor.as<int64_t>());
    case DataType::i32:
      return decode_integers(raw, context, count, tensor.as<int32_t>());
    case DataType::i8:
      return decode_integers(raw, context, count, tensor.as<int8_t>());
    case DataType::u8:
      return decode_integers(raw, context, count, tensor.as<uint8_t>());
    case DataType::boolean:
      return decode_integers(raw, context, count, tensor.as<bool>());
  }
}

// Files may hold any non-zero byte for true; libaltrt's booleans are 0 or 1.
void normalise_booleans(Tensor& tensor) {
  if (tensor.type() != DataType::boolean) return;
  auto* bytes = tensor.as<uint8_t>();
  for (size_t i = 0; i < tensor.bytes(); ++i) bytes[i] = bytes[i] != 0;
}

uint64_t checked_bytes(const RawTensor& raw, DataType type, const ReadContext& context) {
  if (raw.dims.size() > kMostDimensions) {
    context.fail("has " + std::to_string(raw.dims.size()) + " dimensions, more than " +
                 std::to_string(kMostDimensions));
  }
  uint64_t count = 0;
  try {
    count = static_cast<uint64_t>(element_count(raw.dims));
  } catch (const Error& error) {
    context.fail(std::string("field 'dims': ") + error.what());
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(count, size_of(type), &bytes)) context.fail("field 'dims': too many elements");
  return bytes;
}

// Large data that a tensor can have as it is. Null: it is decoded now.
std::shared_ptr<base::DeferredBytes> deferred(const RawTensor& raw, DataType type, uint64_t bytes, ReadContext& context,
                                              ExternalData* external) {
  if (type == DataType::boolean) return nullptr;
  if (raw.external) {
    return bytes >= ModelFile::kLeastHole ? external->deferred(*raw.range, bytes, context) : nullptr;
  }
  return raw.data_field == tensor_proto::raw_data ? context.deferred(raw.raw) : nullptr;
}

std::shared_ptr<const Tensor> decode(const RawTensor& raw, DataType type, ReadContext& context,
                                     ExternalData* external) {
  const uint64_t bytes = checked_bytes(raw, type, context);
  const uint64_t count = bytes / size_of(type);
  if (raw.external) {
    if (raw.data_field != 0) {
      context.fail(std::string("data is external, but ") + field_name(raw.data_field) + " holds data too");
    }
    if (!raw.range || raw.range->location.empty()) context.fail("data is external, but no location is given");
    if (!external) context.fail("external data is refused here");
    external->check(*raw.range, bytes, context);
  } else if (raw.range) {
    context.fail("field 'external_data' is set, but 'data_location' is not EXTERNAL");
  } else if (raw.data_field == tensor_proto::raw_data) {
    if (raw.raw.size() != bytes) {
      context.fail("field 'raw_data' has " + std::to_string(raw.raw.size()) + " bytes, type and dims need " +
                   std::to_string(bytes));
    }
  } else if (raw.data_field != 0) {
    check_typed(raw, type, count, context);
  } else if (count != 0) {
    context.fail("holds no data, dims " + to_string(raw.dims) + " need " + std::to_string(bytes) + " bytes");
  }

  context.take(bytes);
  if (auto later = deferred(raw, type, bytes, context, external)) {
    return std::make_shared<const Tensor>(base::deferred_tensor(type, raw.dims, std::move(later)));
  }
  auto tensor = std::make_shared<Tensor>(Tensor::uninitialized(type, raw.dims));
  if (raw.external) {
    external->read(*raw.range, tensor->data(), bytes, context);
  } else if (raw.data_field == tensor_proto::raw_data) {
    context.copy(raw.raw, tensor->data());
  } else if (raw.data_field != 0) {
    decode_typed(raw, context, static_cast<int64_t>(count), *tensor);
  }
  normalise_booleans(*tensor);
  return tensor;
}

}  // namespace

std::optional<DataType> data_type_of(int64_t element_type) {
  for (const auto& [type, number] : kTypes) {
    if (number == element_type) return type;
  }
  return std::nullopt;
}

int64_t element_type_of(DataType type) {
  for (const auto& [known, number] : kTypes) {
    if (known == type) return number;
  }
  return 0;
}

std::string element_type_name(int64_t element_type) {
  static constexpr std::array kNames{"undefined", "float",  "uint8",     "int8",       "uint16",  "int16",
                                     "int32",     "int64",  "string",    "bool",       "float16", "double",
                                     "uint32",    "uint64", "complex64", "complex128", "bfloat16"};
  if (element_type >= 0 && element_type < static_cast<int64_t>(kNames.size())) return kNames[element_type];
  return "element type " + std::to_string(element_type);
}

NamedTensor read_tensor(std::string_view bytes, ReadContext& context, ExternalData* external) {
  NamedTensor result;
  result.name = read_name(bytes, context);
  const ReadContext::Scope scope(context, result.name.empty() ? "unnamed tensor" : "tensor " + quoted(result.name));
  const RawTensor raw = read_fields(bytes, context);
  const auto type = data_type_of(raw.element_type);
  if (raw.segmented) {
    context.unsupported("is stored in segments");
  } else if (raw.element_type == 0) {
    context.fail("field 'data_type' is missing");
  } else if (!type) {
    context.unsupported("has elements of type " + element_type_name(raw.element_type));
  } else {
    result.data = decode(raw, *type, context, external);
  }
  return result;
}

}  // namespace altrt::model
