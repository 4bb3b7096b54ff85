// Damaged files: every prefix, every flipped bit and many multiple changes end in a model or in an Error.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "runtime/graph/graph.h"
#include "runtime/model/onnx_reader.h"
#include "tests/model/onnx_bytes.h"

namespace altrt::model {
namespace {

// A little of everything the reader knows.
std::string sample() {
  using namespace onnx;
  FileParts parts;
  const std::vector<int64_t> shape{3, -1};
  parts.inputs = {value_info_bytes("x", float32, {2, -1}), value_info_bytes("k", int64, {})};
  parts.outputs = {value_info_bytes("y", float32, {3, 2})};
  parts.initializers = {tensor_bytes("w", float32, {2, 2},
                                     [](Writer& w) {
                                       w.add_bytes(tensor_proto::raw_data, float_bytes({1, 2, 3, 4}));
                                     }),
                        tensor_bytes("shape", int64, {2}, [&](Writer& w) {
                          w.add_packed_int64(tensor_proto::int64_data, shape.begin(), shape.end());
                        })};
  parts.nodes = {node_bytes("Gemm", {"x", "w", ""}, {"a"},
                            [](Writer& w) {
                              w.add_message(node_proto::attribute, message([](Writer& a) {
                                              a.add_string(attribute_proto::name, "alpha");
                                              a.add_float(attribute_proto::f, 0.5f);
                                              a.add_int64(attribute_proto::type, attribute_proto::type_float);
                                            }));
                            }),
                 node_bytes("Constant", {}, {"c"},
                            [](Writer& w) {
                              w.add_message(node_proto::attribute, message([](Writer& a) {
                                              a.add_string(attribute_proto::name, "value");
                                              a.add_message(attribute_proto::t,
                                                            tensor_bytes("", int32, {1}, [](Writer& t) {
                                                              t.add_int32(tensor_proto::int32_data, 300);
                                                            }));
                                            }));
                            }),
                 node_bytes("Reshape", {"a", "shape"}, {"y"})};
  return parts.bytes();
}

// The graph's text with its weights' contents; empty if the bytes are no model.
template <typename Source>
std::string read_text(const Source& source) {
  try {
    const graph::Graph graph = read_onnx(source, "damaged");
    std::string text = graph::to_string(graph);
    for (const graph::Value& value : graph.values) {
      if (value.is_constant()) text.append(static_cast<const char*>(value.data->data()), value.data->bytes());
    }
    return text;
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::internal) << error.what();
    return "";
  }
}

ModelFile file_of(const std::string& bytes, uint64_t least_hole) {
  const ModelFile::Source source = [&bytes](void* to, uint64_t offset, uint64_t count) {
    return static_cast<uint64_t>(bytes.copy(static_cast<char*>(to), count, std::min<uint64_t>(offset, bytes.size())));
  };
  return ModelFile(source, bytes.size(), "damaged", least_hole);
}

// True if it is a model, whether in memory whole or read with its weights left out.
bool survives(const std::string& bytes) {
  const std::string whole = read_text(std::string_view(bytes));
  EXPECT_EQ(read_text(file_of(bytes, 4)), whole);
  return !whole.empty();
}

TEST(ModelFile, LeavesOutLargeWeights) {
  const std::string bytes = sample();
  const ModelFile with_holes = file_of(bytes, 16), without = file_of(bytes, 17);
  ASSERT_EQ(with_holes.holes().size(), 1u);
  EXPECT_EQ(with_holes.holes()[0].size(), 16u);
  EXPECT_EQ(with_holes.bytes().size(), bytes.size());
  EXPECT_TRUE(without.holes().empty());
  EXPECT_EQ(without.bytes(), bytes);
  EXPECT_EQ(read_text(with_holes), read_text(without));
  EXPECT_NE(read_text(with_holes), "");
}

TEST(ModelFile, SaysThatTheFileBecameShorter) {
  const std::string bytes = sample();
  uint64_t size = bytes.size();
  const ModelFile file(
      [&](void* to, uint64_t offset, uint64_t count) -> uint64_t {
        if (offset >= size) return 0;
        return bytes.copy(static_cast<char*>(to), std::min(count, size - offset), offset);
      },
      size, "shrinking.onnx", 16);
  size = 0;
  try {
    read_onnx(file, "shrinking.onnx").values.at(0).data->data();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::io);
    EXPECT_NE(std::string(error.what()).find("became shorter"), std::string::npos) << error.what();
  }
}

TEST(Damage, TheSampleIsAModel) { EXPECT_TRUE(survives(sample())); }

TEST(Damage, EveryPrefix) {
  const std::string bytes = sample();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(survives(bytes.substr(0, size))) << "the first " << size << " bytes";
  }
}

TEST(Damage, EveryFlippedBitAndEveryByteValue) {
  const std::string bytes = sample();
  int models = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(value);
      models += survives(damaged);
    }
  }
  EXPECT_GT(models, static_cast<int>(bytes.size()));  // weights and names may be any bytes
}

TEST(Damage, SpansRemovedRepeatedAndOverwritten) {
  const char* given = std::getenv("ALTRT_TEST_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const std::string bytes = sample();
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = bytes;
    for (int change = 0; change < 3; ++change) {
      const size_t at = random() % damaged.size(), length = random() % std::min<size_t>(16, damaged.size() - at);
      const std::string span = damaged.substr(at, length);
      switch (random() % 3) {
        case 0:
          damaged.erase(at, length);
          break;
        case 1:
          damaged.insert(at, span);
          break;
        default:
          for (size_t k = 0; k < length; ++k) damaged[at + k] = static_cast<char>(random());
      }
      if (damaged.empty()) break;
    }
    survives(damaged);
  }
}

TEST(Damage, DeepNestingCostsNoStack) {
  // A subgraph in a subgraph in a subgraph: nothing follows it down.
  std::string inner = "x";
  for (int depth = 0; depth < 5000; ++depth) {
    inner = message([&](Writer& w) { w.add_message(onnx::attribute_proto::g, inner); });
  }
  FileParts parts = relu_file();
  parts.nodes = {node_bytes("If", {"x"}, {"y"}, [&](Writer& w) { w.add_message(onnx::node_proto::attribute, inner); })};
  EXPECT_FALSE(survives(parts.bytes()));
}

TEST(Damage, LongChainsSortWithoutRecursion) {
  FileParts parts = relu_file();
  constexpr int kNodes = 100000;
  parts.nodes.clear();
  for (int i = kNodes; i > 0; --i) {  // last node first
    const std::string in = i == 1 ? "x" : "v" + std::to_string(i - 1);
    parts.nodes.push_back(node_bytes("Relu", {in}, {i == kNodes ? "y" : "v" + std::to_string(i)}));
  }
  EXPECT_TRUE(survives(parts.bytes()));
}

}  // namespace
}  // namespace altrt::model
