// .npy and .npz files: round trips, numpy's own bytes, damage.
#include "npy.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>

#include "zip.h"

namespace altrt {
namespace {

Tensor counting(DataType type, const Shape& shape) {
  Tensor tensor(type, shape);
  auto* bytes = static_cast<uint8_t*>(tensor.data());
  for (size_t i = 0; i < tensor.bytes(); ++i) bytes[i] = static_cast<uint8_t>(type == DataType::boolean ? i % 2 : i);
  return tensor;
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() &&
         (a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

// The bytes of a .npy file with this header.
std::string file(const std::string& header, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  bytes += {1, 0, static_cast<char>(header.size()), 0};
  return bytes + header + data;
}

TEST(Npy, EveryTypeAndRankRoundTrips) {
  for (const DataType type :
       {DataType::f32, DataType::f64, DataType::i64, DataType::i32, DataType::i8, DataType::u8, DataType::boolean}) {
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3, 4}, Shape{0, 3}}) {
      const Tensor tensor = counting(type, shape);
      const std::string bytes = npy::format(tensor.view());
      EXPECT_TRUE(equal(npy::parse(bytes.data(), bytes.size(), "memory"), tensor)) << to_string(type);
      EXPECT_EQ((bytes.size() - tensor.bytes()) % 64, 0u) << "data is aligned";
    }
  }
}

TEST(Npy, FortranOrderBecomesRowMajor) {
  const int8_t data[6] = {1, 4, 2, 5, 3, 6};
  const std::string bytes = file("{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3), }\n",
                                 std::string(reinterpret_cast<const char*>(data), 6));
  const Tensor tensor = npy::parse(bytes.data(), bytes.size(), "memory");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(tensor.as<int8_t>()[i], i + 1);
}

TEST(Npy, ArchivesRoundTrip) {
  const Tensor a = counting(DataType::f32, {3, 2}), b = counting(DataType::i64, {});
  const std::string path = ::testing::TempDir() + "altrt_npy_test.npz";
  npy::write_npz(path, {{"a/b", a.view()}, {"c", b.view()}});
  const auto arrays = npy::read_npz(path);
  std::remove(path.c_str());
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_TRUE(equal(arrays.at("a/b"), a));
  EXPECT_TRUE(equal(arrays.at("c"), b));
}

void expect_refused(const std::string& bytes, const std::string& word) {
  try {
    npy::parse(bytes.data(), bytes.size(), "file.npy");
    ADD_FAILURE() << "no error: " << word;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("file.npy"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
}

TEST(Npy, NonsenseIsRefused) {
  expect_refused("", "not a .npy");
  expect_refused("PK", "not a .npy");
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
  expect_refused(file(good, "123"), "does not fit");
  expect_refused(file(good, "12345678"), "does not fit");
  expect_refused(file(good, "").substr(0, 30), "cut off");
  expect_refused(file("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }\n", "1234"), ">f4");
  expect_refused(file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", "1234"), "structured");
  expect_refused(file("{'descr': '<f4', 'shape': (1,), }\n", "1234"), "fortran_order");
  expect_refused(file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", "1234"), "shape");
  expect_refused(file("{'descr': '<f4', 'fortran_order': False, 'shape': (x,), }\n", "1234"), "shape");
  EXPECT_THROW(npy::read("/nowhere/x.npy"), Error);
}

TEST(Npy, DamagedArchivesAreRefusedWhereverTheyAreHit) {
  const Tensor a = counting(DataType::u8, {40});
  const std::string good = npy::zip::archive({{"a.npy", npy::format(a.view())}});
  const auto refused = [](const std::string& bytes) {
    try {
      return npy::parse_npz(bytes.data(), bytes.size(), "file.npz").empty();
    } catch (const Error&) {
      return true;
    }
  };
  ASSERT_FALSE(refused(good));
  for (size_t size = 0; size < good.size(); ++size) EXPECT_TRUE(refused(good.substr(0, size))) << size;
  // Contents are covered by the CRC.
  for (size_t at = 35; at < 35 + 168; ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    EXPECT_TRUE(refused(bytes)) << at;
  }
  std::string compressed = good;
  compressed[compressed.find("PK\x01\x02") + 10] = 8;
  EXPECT_TRUE(refused(compressed));
}

}  // namespace
}  // namespace altrt
