// Groups that hold more than one anchor.
#include "runtime/graph/groups.h"

#include <gtest/gtest.h>

#include "jit/kernel/kernel.h"
#include "tests/graph/sample.h"

namespace altrt::graph {
namespace {

using Integers = std::vector<int64_t>;

struct Sample {
  bool scores_leave = false;      // what the softmax makes is an output of the model too
  bool constant_factors = false;  // keys and values are
};

/// softmax(q k + mask) v, the two heads side by side behind it, and a projection.
Graph attention(const Sample& sample) {
  GraphBuilder b("net");
  b.input("q", DataType::f32, {1, 2, 6, 4});
  if (sample.constant_factors) {
    b.constant("k", random_tensor({1, 2, 4, 6}, 1));
    b.constant("v", random_tensor({1, 2, 6, 4}, 2));
  } else {
    b.input("k", DataType::f32, {1, 2, 4, 6});
    b.input("v", DataType::f32, {1, 2, 6, 4});
  }
  b.input("mask", DataType::f32, {1, 1, 1, 6});
  const auto scores = b.op("Add", {b.op("MatMul", {"q", "k"}), "mask"});
  const auto rows = b.op("Softmax", {scores}, {{"axis", -1}});
  const auto heads = b.op("Transpose", {b.op("MatMul", {rows, "v"})}, {{"perm", Integers{0, 2, 1, 3}}});
  const auto joined = b.op("Reshape", {heads, b.constant("shape", tensor_of<int64_t>({3}, {1, 6, 8}))});
  b.output(b.op("MatMul", {joined, b.constant("w", random_tensor({8, 8}, 3))}));
  if (sample.scores_leave) b.output(rows);
  return simplified(b.build());
}

std::string ops_of(const Graph& graph, const Grouping& grouping) {
  const std::vector<Group> groups = form_groups(graph, grouping);
  verify(groups, graph);
  std::string text;
  for (const Group& group : groups) text += (text.empty() ? "" : " ") + group.ops;
  return text;
}

TEST(Groups, AnAttentionIsOne) {
  const Graph graph = attention({});
  EXPECT_EQ(ops_of(graph, {}), "MatMul+Add+Softmax+MatMul+Transpose+Reshape MatMul");
  EXPECT_EQ(ops_of(graph, {.attention = false}), "MatMul+Add Softmax MatMul Transpose+Reshape MatMul");
}

TEST(Groups, RowsThatOthersReadStayApart) {
  EXPECT_EQ(ops_of(attention({.scores_leave = true}), {}), "MatMul+Add Softmax MatMul Transpose+Reshape MatMul");
}

TEST(Groups, ProductsWithConstantsStayApart) {
  EXPECT_EQ(ops_of(attention({.constant_factors = true}), {}), "MatMul+Add Softmax MatMul Transpose+Reshape MatMul");
}

// Queries and values are read where one product has made them with the keys.
TEST(Groups, AttentionReadsPartsOfOneProduct) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, 6, 8});
  const auto all = b.op("MatMul", {"x", b.constant("w", random_tensor({8, 24}, 1))});
  const auto shape = b.constant("shape", tensor_of<int64_t>({5}, {1, 6, 3, 2, 4}));
  const auto heads = b.op("Transpose", {b.op("Reshape", {all, shape})}, {{"perm", Integers{2, 0, 3, 1, 4}}});
  const auto parts = b.op_n("Split", {heads}, 3, {{"axis", 0}});
  std::vector<std::string> qkv;
  const auto axes = b.constant("axes", tensor_of<int64_t>({1}, {0}));
  for (const std::string& part : parts) qkv.push_back(b.op("Squeeze", {part, axes}));
  const auto keys = b.op("Transpose", {qkv[1]}, {{"perm", Integers{0, 1, 3, 2}}});
  const auto rows = b.op("Softmax", {b.op("MatMul", {qkv[0], keys})}, {{"axis", -1}});
  b.output(b.op("MatMul", {rows, qkv[2]}));
  EXPECT_EQ(ops_of(simplified(b.build()), {}),
            "MatMul Reshape+Transpose+Split+Squeeze+Transpose "
            "Reshape+Transpose+Split+Reshape+Transpose+Split+Squeeze+Squeeze+MatMul+Softmax+MatMul");
}

/// A normalisation over the last dimension as exporters wrote it before there was an operator for it.
Graph written_out(bool centred, int64_t rows) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {1, rows, 8});
  const AttributeMap attributes{{"axes", Attribute(Integers{-1})}, {"keepdims", Attribute(1)}};
  std::string d = "x";
  if (centred) d = b.op("Sub", {"x", b.op("ReduceMean", {"x"}, attributes)});
  const auto square = b.op("Pow", {d, b.constant("two", tensor_of<float>({}, {2}))});
  const auto mean = b.op("ReduceMean", {square}, attributes);
  const auto deviation = b.op("Sqrt", {b.op("Add", {mean, b.constant("epsilon", tensor_of<float>({}, {1e-5F}))})});
  const auto y = b.op("Mul", {b.op("Div", {d, deviation}), b.constant("scale", random_tensor({8}, 1))});
  b.output(b.op("Add", {y, b.constant("bias", random_tensor({8}, 2))}));
  return simplified(b.build());
}

TEST(Groups, ANormalisationThatIsWrittenOutIsOne) {
  EXPECT_EQ(ops_of(written_out(true, 20), {}), "ReduceMean+Sub+Pow+ReduceMean+Add+Sqrt+Div+Mul+Add");
  EXPECT_EQ(ops_of(written_out(false, 20), {}), "Pow+ReduceMean+Add+Sqrt+Div+Mul+Add");
  // The deviation of a row is computed once, not for each of its elements.
  const Graph graph = written_out(true, 20);
  EXPECT_EQ(form_groups(graph)[0].computation.stages.size(), 3u) << to_string(form_groups(graph), graph);
}

TEST(Groups, FewRowsKeepTheirStages) {
  EXPECT_EQ(ops_of(written_out(false, 2), {}), "Pow+ReduceMean+Add+Sqrt Div+Mul+Add");
}

TEST(Groups, ASoftmaxThatIsWrittenOutIsOne) {
  GraphBuilder b("net");
  b.input("x", DataType::f32, {4, 6, 8});
  const AttributeMap attributes{{"axes", Attribute(Integers{-1})}, {"keepdims", Attribute(1)}};
  const auto e = b.op("Exp", {b.op("Sub", {"x", b.op("ReduceMax", {"x"}, attributes)})});
  const auto axes = b.constant("axes", tensor_of<int64_t>({1}, {-1}));
  b.output(b.op("Div", {e, b.op("ReduceSum", {e, axes}, {{"keepdims", 1}})}));
  EXPECT_EQ(ops_of(simplified(b.build()), {}), "ReduceMax+Sub+Exp+ReduceSum+Div");
}

TEST(Groups, OnlyTargetsWithASchedulePutAttentionTogether) {
  EXPECT_TRUE(grouping_for(jit::host_target()).attention);
  EXPECT_FALSE(grouping_for(jit::named_target("sm_90")).attention);
}

}  // namespace
}  // namespace altrt::graph
