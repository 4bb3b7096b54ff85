// The verifier refuses what a faulty lowering could make; the interpreter names the statement at fault; sizes.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include "jit/loop/interpret.h"
#include "jit/loop/nest.h"
#include "tests/jit_loop/build.h"

namespace altrt::jit {
namespace {

constexpr DataType kFloat = DataType::f32;

Buffer buffer(const std::string& name, std::vector<int64_t> shape, Scope scope, int argument = -1,
              bool written = true) {
  Buffer b;
  b.name = name;
  b.shape = std::move(shape);
  b.scope = scope;
  b.argument = argument;
  b.written = written;
  return b;
}

using build::allocate;
using build::if_then;
using build::loop;
using build::store;

Expr v(const std::string& name) { return variable(name); }

/// y[i] = x[i] over 8 elements, x read-only.
Nest copy_of_eight() {
  Nest nest;
  nest.name = "copy";
  nest.buffers = {buffer("x", {8}, Scope::argument, 0, false), buffer("y", {8}, Scope::argument, 1)};
  nest.body = {loop("i", 8, LoopKind::serial, {store(1, {v("i")}, access(0, kFloat, {v("i")}))})};
  return nest;
}

std::string refusal(const Nest& nest) {
  try {
    verify(nest);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::internal);
    return std::string(e.what()).substr(0, std::string(e.what()).find('\n'));
  }
  return "";
}

TEST(Verify, AcceptsWhatIsInside) {
  EXPECT_EQ(refusal(copy_of_eight()), "");
  Nest nest = copy_of_eight();
  nest.body[0].extent = 9;
  EXPECT_NE(refusal(nest), "");
  nest.body[0].body = {if_then(lt(v("i"), 8), nest.body[0].body)};
  EXPECT_EQ(refusal(nest), "");
}

TEST(Verify, RefusesAnIndexOneTooFar) {
  Nest nest = copy_of_eight();
  nest.body[0].body[0].indices[0] = v("i") + 1;
  EXPECT_EQ(refusal(nest), "nest copy: index i + 1 may leave dimension 0 of y in \"y[i + 1] = x[i]\"");
  nest = copy_of_eight();
  nest.body[0].body[0].value = access(0, kFloat, {v("i") - 1});
  EXPECT_EQ(refusal(nest), "nest copy: index i - 1 may leave dimension 0 of x in \"y[i] = x[i - 1]\"");
  nest.body[0].body[0].value = select(le(1, v("i")), access(0, kFloat, {v("i") - 1}), constant_float(kFloat, 0));
  EXPECT_EQ(refusal(nest), "");
  nest.body[0].body[0].value = select(lt(v("i"), 1), access(0, kFloat, {v("i") - 1}), constant_float(kFloat, 0));
  EXPECT_NE(refusal(nest), "");
}

TEST(Verify, RefusesStructureThatNoBackEndTakes) {
  Nest nest = copy_of_eight();
  nest.body[0].body[0].buffer = 0;
  EXPECT_NE(refusal(nest).find("store to a read-only argument"), std::string::npos);
  nest = copy_of_eight();
  nest.body = {loop("o", 2, LoopKind::vector, nest.body)};
  EXPECT_NE(refusal(nest).find("loop in a vector loop"), std::string::npos);
  nest = copy_of_eight();
  nest.body = {loop("i", 2, LoopKind::serial, nest.body)};
  EXPECT_NE(refusal(nest).find("loop name is in use"), std::string::npos);
  nest = copy_of_eight();
  nest.body[0].body[0].value = access(0, DataType::i32, {v("i")});
  EXPECT_NE(refusal(nest).find("another type"), std::string::npos);
  nest = copy_of_eight();
  nest.body[0].body[0].value = access(0, kFloat, {v("i"), v("i")});
  EXPECT_NE(refusal(nest).find("another rank"), std::string::npos);
  nest = copy_of_eight();
  nest.body[0].body[0].value = access(0, kFloat, {v("q")});
  EXPECT_NE(refusal(nest).find("variable q is not in scope"), std::string::npos);
  nest = copy_of_eight();
  nest.body[0].extent = v("i2");
  EXPECT_NE(refusal(nest).find("extent is not a run-time size"), std::string::npos);
}

TEST(Verify, RegistersNeedConstantIndices) {
  Nest nest = copy_of_eight();
  nest.buffers.push_back(buffer("r", {8}, Scope::register_tile));
  const auto with = [&](LoopKind kind) {
    nest.body = {allocate(2, {loop("i", 8, kind, {store(2, {v("i")}, access(0, kFloat, {v("i")}))})})};
    return refusal(nest);
  };
  EXPECT_EQ(with(LoopKind::unrolled), "");
  EXPECT_EQ(with(LoopKind::vector), "");
  EXPECT_NE(with(LoopKind::serial).find("is not constant after unrolling"), std::string::npos);
  nest.body = nest.body[0].body;
  EXPECT_NE(refusal(nest).find("not allocated here"), std::string::npos);
}

TEST(Verify, TheSegmentBehindATailStaysInside) {
  Nest nest = copy_of_eight();
  const Expr index = min(v("o") * 5, 3) + v("i");
  nest.body = {loop("o", 2, LoopKind::serial,
                    {loop("i", 5, LoopKind::serial, {store(1, {index}, access(0, kFloat, {index}))})})};
  EXPECT_EQ(refusal(nest), "");
  nest.body[0].body[0].extent = 6;
  EXPECT_NE(refusal(nest), "");
}

TEST(Interpret, NamesTheStatementThatLeavesItsBuffer) {
  Nest nest = copy_of_eight();
  nest.body[0].extent = 9;
  float x[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, y[9] = {};
  try {
    interpret(nest, {x, y}, {}, 0, 1);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("\"y[i] = x[i]\""), std::string::npos) << e.what();
  }
  EXPECT_EQ(y[7], 7);
  EXPECT_EQ(y[8], 0);
}

TEST(Interpret, FindsReadsOfWhatWasNeverWritten) {
  Nest nest = copy_of_eight();
  nest.buffers.push_back(buffer("t", {8}, Scope::thread));
  nest.body = {allocate(2, {loop("i", 7, LoopKind::serial, {store(2, {v("i")}, access(0, kFloat, {v("i")}))}),
                            loop("j", 8, LoopKind::serial, {store(1, {v("j")}, access(2, kFloat, {v("j")}))})})};
  float x[8] = {}, y[8] = {};
  EXPECT_THROW(interpret(nest, {x, y}, {}, 0, 1), Error);
  nest.body[0].body[0].extent = 8;
  interpret(nest, {x, y}, {}, 0, 1);
}

TEST(Interpret, LanesAreReadBeforeAnyIsStored) {
  Nest nest;
  nest.name = "shift";
  nest.buffers = {buffer("y", {8}, Scope::argument, 0)};
  nest.body = {loop("i", 7, LoopKind::vector, {store(0, {v("i") + 1}, access(0, kFloat, {v("i")}))})};
  float y[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  interpret(nest, {y}, {}, 0, 1);
  for (int i = 1; i < 8; ++i) EXPECT_EQ(y[i], i - 1);
}

TEST(Interpret, TasksAreMixedRadixNumbersOfTheParallelLoops) {
  Nest nest;
  nest.name = "tasks";
  nest.buffers = {buffer("y", {3, 4}, Scope::argument, 0)};
  nest.parallel = {{"a", 3}, {"b", 4}};
  nest.body = {store(0, {v("a"), v("b")}, cast(kFloat, v("a") * 10 + v("b")))};
  verify(nest);
  EXPECT_EQ(nest.tasks(), 12);
  float y[12] = {};
  interpret(nest, {y}, {}, 5, 9);
  const float expected[12] = {0, 0, 0, 0, 0, 11, 12, 13, 20, 0, 0, 0};
  for (int i = 0; i < 12; ++i) EXPECT_EQ(y[i], expected[i]) << i;
}

TEST(CodeSize, CountsVectorsOfARegisterTile) {
  Nest nest;
  nest.name = "tile";
  nest.buffers = {buffer("a", {64, 6}, Scope::argument, 0, false), buffer("b", {64, 16}, Scope::argument, 1, false),
                  buffer("acc", {6, 16}, Scope::register_tile)};
  const Expr cell = access(2, kFloat, {v("m"), v("n")});
  const Expr value = cell + access(0, kFloat, {v("k"), v("m")}) * access(1, kFloat, {v("k"), v("n")});
  nest.body = {allocate(2, {loop("k", 64, LoopKind::serial,
                                 {loop("m", 6, LoopKind::unrolled,
                                       {loop("n", 16, LoopKind::vector, {store(2, {v("m"), v("n")}, value)})})})})};
  // 12 multiply-adds, 6 broadcasts, 2 vector loads, the loop's own.
  EXPECT_EQ(code_size(nest, 8).largest_block, 21);
  EXPECT_EQ(code_size(nest, 8).total, 21);
  EXPECT_EQ(code_size(nest, 16).largest_block, 14);
}

TEST(Workspace, BuffersLieAlignedInOrder) {
  Nest nest;
  nest.buffers = {buffer("x", {3}, Scope::argument, 0), buffer("s", {5}, Scope::thread),
                  buffer("r", {100}, Scope::register_tile), buffer("t", {16, 2}, Scope::thread)};
  EXPECT_EQ(nest.workspace_offset(1), 0);
  EXPECT_EQ(nest.workspace_offset(3), 64);
  EXPECT_EQ(nest.workspace_bytes(), 64 + 128);
}

}  // namespace
}  // namespace altrt::jit
