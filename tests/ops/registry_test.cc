#include <gtest/gtest.h>

#include <set>

#include "runtime/ops/op.h"

namespace altrt::ops {
namespace {

TEST(Registry, EveryRowIsComplete) {
  std::set<std::string> rows;
  for (const OpDef& op : all_ops()) {
    SCOPED_TRACE(op.type);
    EXPECT_NE(op.infer, nullptr);
    EXPECT_TRUE((op.build != nullptr) != (op.host != nullptr));
    EXPECT_EQ(op.pattern == Pattern::host, op.host != nullptr);
    EXPECT_LE(op.min_opset, op.max_opset);
    EXPECT_TRUE(rows.insert(std::string(op.domain) + "." + op.type).second) << "two rows";
  }
  EXPECT_GE(rows.size(), 115u);
}

TEST(Registry, FindsByDomainNameAndOpset) {
  ASSERT_NE(find_op("", "Conv", 17), nullptr);
  EXPECT_STREQ(find_op("", "Conv", 17)->type, "Conv");
  EXPECT_EQ(find_op("ai.onnx", "Conv", 17), find_op("", "Conv", 17));
  EXPECT_EQ(find_op("", "Conv", 99), nullptr);
  EXPECT_EQ(find_op("", "HardSwish", 13), nullptr);
  EXPECT_EQ(find_op("", "Convolve", 17), nullptr);
  EXPECT_EQ(find_op("somewhere", "Conv", 17), nullptr);
}

TEST(Registry, SaysWhyNot) {
  EXPECT_EQ(why_unsupported("", "Conv", 17), "");
  EXPECT_NE(why_unsupported("", "Convolve", 17).find("no such operator"), std::string::npos);
  EXPECT_NE(why_unsupported("", "HardSwish", 13).find("opset 13"), std::string::npos);
  EXPECT_NE(why_unsupported("", "Upsample", 11).find("7 to 9"), std::string::npos);
}

TEST(NodeInfo, AccessorsCheckKinds) {
  NodeAttributes attributes;
  attributes.values.emplace("count", 3);
  attributes.values.emplace("name", "linear");
  attributes.values.emplace("list", std::vector<int64_t>{1, 2});
  NodeInfo node;
  node.where = "m.onnx: node 'a' (B)";
  node.attributes = &attributes;
  EXPECT_EQ(node.integer("count"), 3);
  EXPECT_EQ(node.integer("other", 7), 7);
  EXPECT_EQ(node.text("name", ""), "linear");
  EXPECT_EQ(node.integers("list"), (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(node.has_attribute("count"));
  EXPECT_FALSE(node.has_attribute("other"));
  EXPECT_THROW(node.integer("name", 0), Error);
  EXPECT_THROW(node.integer("other"), Error);
  EXPECT_THROW(node.integers("count"), Error);
  EXPECT_THROW(node.input(0), Error);
  EXPECT_EQ(node.axis(-1, 4), 3);
  EXPECT_THROW(node.axis(4, 4), Error);
  try {
    node.real("count", 0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "m.onnx: node 'a' (B): attribute 'count' is not a float");
  }
}

}  // namespace
}  // namespace altrt::ops
