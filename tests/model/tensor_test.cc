// TensorProto: every form of data, and every contradiction between sizes.
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/model/onnx_reader.h"
#include "runtime/model/tensor_reader.h"
#include "tests/model/expect_error.h"
#include "tests/model/onnx_bytes.h"

namespace altrt::model {
namespace {

using namespace onnx::tensor_proto;

std::shared_ptr<const Tensor> read(const std::string& bytes) {
  ReadContext context("f.onnx", 1 << 20);
  auto tensor = read_tensor(bytes, context, nullptr);
  context.finish();
  return tensor.data;
}

void refuse(ErrorCode code, const std::vector<std::string>& texts, const std::string& bytes) {
  expect_error(code, texts, [&] { read(bytes); });
}

template <typename T>
std::vector<T> elements(const Tensor& tensor) {
  return {tensor.as<T>(), tensor.as<T>() + element_count(tensor.shape())};
}

Fields raw(const std::string& bytes) {
  return [bytes](Writer& w) { w.add_bytes(raw_data, bytes); };
}

TEST(TensorProto, RawData) {
  const auto tensor = read(tensor_bytes("t", onnx::int8, {2, 2}, raw("\x01\xff\x7f\x80")));
  EXPECT_EQ(tensor->shape(), (Shape{2, 2}));
  EXPECT_EQ(elements<int8_t>(*tensor), (std::vector<int8_t>{1, -1, 127, -128}));
}

TEST(TensorProto, TypedDataPackedAndLoose) {
  const std::vector<float> floats{1.5f, -2, std::nanf("")};
  auto tensor = read(tensor_bytes("t", onnx::float32, {3}, [&](Writer& w) {
    w.add_packed_float(float_data, floats.begin(), floats.begin() + 2);
    w.add_float(float_data, floats[2]);
  }));
  EXPECT_EQ(elements<float>(*tensor)[1], -2);
  EXPECT_TRUE(std::isnan(elements<float>(*tensor)[2]));
  const std::vector<double> doubles{1e300};
  tensor = read(tensor_bytes("t", onnx::float64, {},
                             [&](Writer& w) { w.add_packed_double(double_data, doubles.begin(), doubles.end()); }));
  EXPECT_EQ(elements<double>(*tensor), doubles);
  const std::vector<int64_t> integers{INT64_MIN, -1, INT64_MAX};
  tensor = read(tensor_bytes("t", onnx::int64, {3},
                             [&](Writer& w) { w.add_packed_int64(int64_data, integers.begin(), integers.end()); }));
  EXPECT_EQ(elements<int64_t>(*tensor), integers);
  const std::vector<int32_t> small{-128, 0, 127};
  const Fields ints = [&](Writer& w) { w.add_packed_int32(int32_data, small.begin(), small.end()); };
  EXPECT_EQ(elements<int32_t>(*read(tensor_bytes("t", onnx::int32, {3}, ints))), small);
  EXPECT_EQ(elements<int8_t>(*read(tensor_bytes("t", onnx::int8, {3}, ints))), (std::vector<int8_t>{-128, 0, 127}));
}

TEST(TensorProto, BooleansAreZeroOrOne) {
  const auto from_raw = read(tensor_bytes("t", onnx::boolean, {3}, raw(std::string("\x00\x01\x05", 3))));
  EXPECT_EQ(elements<uint8_t>(*from_raw), (std::vector<uint8_t>{0, 1, 1}));
  const std::vector<int32_t> values{0, 7, 1};
  const auto typed = read(tensor_bytes(
      "t", onnx::boolean, {3}, [&](Writer& w) { w.add_packed_int32(int32_data, values.begin(), values.end()); }));
  EXPECT_EQ(elements<uint8_t>(*typed), (std::vector<uint8_t>{0, 1, 1}));
}

TEST(TensorProto, EmptyTensors) {
  EXPECT_EQ(read(tensor_bytes("t", onnx::float32, {3, 0}, {}))->shape(), (Shape{3, 0}));
  EXPECT_EQ(read(tensor_bytes("t", onnx::float32, {0}, raw("")))->bytes(), 0u);
}

TEST(TensorProto, RefusesTwoSetsOfData) {
  refuse(ErrorCode::invalid_model, {"f.onnx: tensor 't'", "raw_data", "float_data"},
         tensor_bytes("t", onnx::float32, {1}, [](Writer& w) {
           w.add_bytes(raw_data, "abcd");
           w.add_float(float_data, 1);
         }));
  refuse(ErrorCode::invalid_model, {"int32_data", "int64_data"}, tensor_bytes("t", onnx::int32, {1}, [](Writer& w) {
           w.add_int64(int64_data, 1);
           w.add_int32(int32_data, 1);
         }));
  refuse(ErrorCode::invalid_model, {"external", "float_data holds data too"},
         tensor_bytes("t", onnx::float32, {1}, [](Writer& w) {
           w.add_float(float_data, 1);
           add_entry(w, "location", "w.bin");
           w.add_int64(data_location, 1);
         }));
}

TEST(TensorProto, RefusesSizesThatDoNotFit) {
  refuse(ErrorCode::invalid_model, {"'t'", "'raw_data' has 8 bytes", "need 12"},
         tensor_bytes("t", onnx::float32, {3}, raw("12345678")));
  refuse(ErrorCode::invalid_model, {"'raw_data' has 8 bytes", "need 4"},
         tensor_bytes("t", onnx::float32, {1}, raw("12345678")));
  refuse(ErrorCode::invalid_model, {"'float_data' has 1 values, dims say 2"},
         tensor_bytes("t", onnx::float32, {2}, [](Writer& w) { w.add_float(float_data, 1); }));
  refuse(ErrorCode::invalid_model, {"'int64_data'", "dims say 2"},
         tensor_bytes("t", onnx::int64, {2}, [](Writer& w) { w.add_int64(int64_data, 1); }));
  refuse(ErrorCode::invalid_model, {"'int64_data' has more values"}, tensor_bytes("t", onnx::int64, {1}, [](Writer& w) {
           w.add_int64(int64_data, 1);
           w.add_int64(int64_data, 1);
         }));
  // Two bytes of varint are one value, not two.
  refuse(ErrorCode::invalid_model, {"'int64_data' has 1 values, dims say 2"},
         tensor_bytes("t", onnx::int64, {2}, [](Writer& w) {
           const std::vector<int64_t> one{300};
           w.add_packed_int64(int64_data, one.begin(), one.end());
         }));
  refuse(ErrorCode::invalid_model, {"holds no data"}, tensor_bytes("t", onnx::float32, {}, {}));
}

TEST(TensorProto, RefusesValuesOutsideOfTheType) {
  const auto with = [](int64_t type, int32_t value) {
    return tensor_bytes("t", type, {1}, [&](Writer& w) { w.add_int32(int32_data, value); });
  };
  refuse(ErrorCode::invalid_model, {"value 128 does not fit"}, with(onnx::int8, 128));
  refuse(ErrorCode::invalid_model, {"value -1 does not fit"}, with(onnx::uint8, -1));
}

TEST(TensorProto, RefusesDataInTheWrongField) {
  refuse(ErrorCode::invalid_model, {"field 'int32_data' cannot hold elements of type f32"},
         tensor_bytes("t", onnx::float32, {1}, [](Writer& w) { w.add_int32(int32_data, 1); }));
  refuse(ErrorCode::invalid_model, {"wrong wire type"},
         tensor_bytes("t", onnx::float32, {1}, [](Writer& w) { w.add_int32(float_data, 1); }));
  refuse(ErrorCode::invalid_model, {"cut off"},
         tensor_bytes("t", onnx::float32, {1}, [](Writer& w) { w.add_bytes(float_data, "abc"); }));
}

TEST(TensorProto, RefusesHostileDimensions) {
  const auto with = [](const Shape& dims) { return tensor_bytes("t", onnx::float32, dims, raw("abcd")); };
  refuse(ErrorCode::invalid_model, {"'t'", "'dims'", "negative"}, with({-1}));
  refuse(ErrorCode::invalid_model, {"'dims'", "too many"}, with({INT64_MAX, 2}));
  refuse(ErrorCode::invalid_model, {"'dims'", "too many"}, with({int64_t{1} << 32, int64_t{1} << 32}));
  refuse(ErrorCode::invalid_model, {"too many"}, with({INT64_MAX}));  // the bytes overflow, the elements do not
  refuse(ErrorCode::invalid_model, {"negative"}, with({INT64_MIN, 0}));
  refuse(ErrorCode::invalid_model, {"'raw_data' has 4 bytes"}, with({int64_t{1} << 40}));
  refuse(ErrorCode::invalid_model, {"'raw_data' has 4 bytes"}, with({0, INT64_MAX}));
  refuse(ErrorCode::invalid_model, {"33 dimensions"}, with(Shape(33, 1)));
}

TEST(TensorProto, RefusesUnsupportedForms) {
  refuse(ErrorCode::unsupported, {"f.onnx", "tensor 'half'", "float16"}, tensor_bytes("half", onnx::float16, {1}, {}));
  refuse(ErrorCode::unsupported, {"element type 77"}, tensor_bytes("t", 77, {1}, {}));
  refuse(ErrorCode::unsupported, {"stored in segments"},
         tensor_bytes("t", onnx::float32, {1}, [](Writer& w) { w.add_bytes(segment, ""); }));
  refuse(ErrorCode::invalid_model, {"'data_type' is missing"}, message([](Writer& w) { w.add_string(name, "t"); }));
  refuse(ErrorCode::invalid_model, {"'data_location' is 5"},
         tensor_bytes("t", onnx::float32, {0}, [](Writer& w) { w.add_int64(data_location, 5); }));
  refuse(ErrorCode::invalid_model, {"'external_data' is set"},
         tensor_bytes("t", onnx::float32, {0}, [](Writer& w) { add_entry(w, "location", "w.bin"); }));
}

TEST(TensorProto, TakesMemoryFromTheBudget) {
  ReadContext context("f.onnx", 100);
  const std::string bytes = tensor_bytes("t", onnx::int8, {80}, raw(std::string(80, 'x')));
  read_tensor(bytes, context, nullptr);
  expect_error(ErrorCode::out_of_memory, {"out of proportion"}, [&] { read_tensor(bytes, context, nullptr); });
}

}  // namespace
}  // namespace altrt::model
