// Loops over threads: where barriers go, what is shared, what is refused.
#include <gtest/gtest.h>

#include <altrt/error.h>

#include "jit/loop/barriers.h"
#include "jit/loop/lower.h"
#include "jit/loop/nest.h"
#include "jit/loop/prefetch.h"
#include "tests/jit_loop/build.h"

namespace altrt::jit {
namespace {

constexpr DataType kFloat = DataType::f32;

Expr v(const std::string& name) { return variable(name); }

using build::allocate;
using build::loop;

Stmt store(int buffer, const Expr& index, const Expr& value) { return build::store(buffer, {index}, value); }

/// Buffers: 0 an input of 8, 1 the output of 8, 2 shared memory of 8.
Nest nest_of(std::vector<Stmt> body) {
  Nest nest;
  nest.name = "test";
  for (int i = 0; i < 3; ++i) {
    Buffer buffer;
    buffer.name = i == 0 ? "x" : i == 1 ? "y" : "s";
    buffer.shape = {8};
    buffer.scope = i < 2 ? Scope::argument : Scope::group;
    buffer.argument = i < 2 ? i : -1;
    buffer.written = i > 0;
    nest.buffers.push_back(buffer);
  }
  nest.body = {allocate(2, std::move(body))};
  return nest;
}

Stmt fill(const std::string& name) {
  return loop(name, 8, LoopKind::thread, {store(2, v(name), access(0, kFloat, {v(name)}))});
}
Stmt mirror(const std::string& name) {
  return loop(name, 8, LoopKind::thread, {store(1, v(name), access(2, kFloat, {Expr(7) - v(name)}))});
}

int barriers(const std::vector<Stmt>& body) {
  int count = 0;
  for (const Stmt& stmt : body) {
    count += stmt.kind == StmtKind::barrier;
    count += barriers(stmt.body) + barriers(stmt.otherwise);
  }
  return count;
}

TEST(Barriers, StandBetweenWritersAndReaders) {
  Nest nest = nest_of({fill("a"), mirror("b")});
  insert_barriers(nest);
  verify(nest);
  ASSERT_EQ(nest.body[0].body.size(), 3u);
  EXPECT_EQ(nest.body[0].body[1].kind, StmtKind::barrier);
  EXPECT_EQ(nest.threads(), 8);
  EXPECT_EQ(nest.group_bytes(), 64);
}

TEST(Barriers, MeetTheNextIteration) {
  Nest nest = nest_of({loop("i", 3, LoopKind::serial, {fill("a"), mirror("b")})});
  insert_barriers(nest);
  verify(nest);
  const std::vector<Stmt>& body = nest.body[0].body[0].body;
  ASSERT_EQ(body.size(), 4u) << to_string(nest);
  EXPECT_EQ(body[0].kind, StmtKind::barrier);  // the last iteration's readers are done
  EXPECT_EQ(body[2].kind, StmtKind::barrier);
  insert_barriers(nest);
  EXPECT_EQ(barriers(nest.body), 2) << "barriers that are there count";
}

TEST(Barriers, StandOutsideLoopsThatOnlyRead) {
  Nest nest = nest_of({fill("a"), loop("i", 3, LoopKind::serial, {mirror("b")})});
  insert_barriers(nest);
  EXPECT_EQ(barriers(nest.body), 1);
  EXPECT_EQ(nest.body[0].body[1].kind, StmtKind::barrier) << to_string(nest);
}

TEST(Barriers, AreNotNeededByLoopsThatOnlyWrite) {
  const Stmt part = loop("a", 4, LoopKind::thread, {store(2, v("i") * 4 + v("a"), access(0, kFloat, {v("a")}))});
  Nest nest = nest_of({loop("i", 2, LoopKind::unrolled, {part}), mirror("b")});
  insert_barriers(nest);
  EXPECT_EQ(barriers(nest.body), 1) << to_string(nest);
}

TEST(Barriers, AreRefusedWhereNotAllThreadsPass) {
  Stmt some = loop("a", 4, LoopKind::thread, {fill("c"), mirror("b")});
  Nest nest = nest_of({some});
  EXPECT_THROW(insert_barriers(nest), Error);
  Stmt condition;
  condition.kind = StmtKind::if_then;
  condition.value = lt(v("t"), Expr(3));
  condition.body = {store(2, v("t"), access(0, kFloat, {v("t")})), store(1, v("t"), access(2, kFloat, {Expr(0)}))};
  nest = nest_of({loop("t", 8, LoopKind::thread, {condition})});
  EXPECT_THROW(insert_barriers(nest), Error);
}

std::string fault(const Nest& nest) {
  try {
    verify(nest);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(ThreadNests, AreVerified) {
  EXPECT_NE(fault(nest_of({fill("a"), store(1, Expr(0), access(2, kFloat, {Expr(0)}))})).find("all threads store to y"),
            std::string::npos);
  const Stmt inner = loop("b", 8, LoopKind::thread, {store(2, v("a"), access(0, kFloat, {v("b")}))});
  EXPECT_NE(fault(nest_of({loop("a", 8, LoopKind::thread, {inner})})).find("variable a is not in scope"),
            std::string::npos);
  Stmt barrier;
  barrier.kind = StmtKind::barrier;
  EXPECT_NE(fault(nest_of({fill("a"), loop("b", 4, LoopKind::thread, {barrier})})).find("not all threads reach"),
            std::string::npos);
}

/// y[m, n] = sum_k a[m, k] * b[k, n]
Computation product(int64_t m, int64_t n, int64_t k) {
  Computation c;
  c.name = "product";
  const auto add = [&](const std::string& name, std::vector<Extent> shape, Role role) {
    return c.add_tensor({name, kFloat, std::move(shape), role});
  };
  const int a = add("a", {m, k}, Role::input), b = add("b", {k, n}, Role::constant), y = add("y", {m, n}, Role::output);
  Stage s;
  s.name = "product";
  s.axes = {{"m", m}, {"n", n}};
  s.reduce = {{"k", k}};
  const Expr sum = state(0, kFloat);
  s.state = {{kFloat, constant(kFloat, 0),
              fma(access(a, kFloat, {v("m"), v("k")}), access(b, kFloat, {v("k"), v("n")}), sum),
              sum + other(0, kFloat)}};
  s.outputs = {y};
  s.store = variables(s.axes);
  s.results = {sum};
  c.stages.push_back(s);
  return c;
}

std::string refusal(const Computation& c, const std::string& script) {
  try {
    lower(c, {}, parse_schedule(script));
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument) << e.what();
    return e.what();
  }
  return "";
}

TEST(Bind, CopiesOfATileAreSharedByAllThreads) {
  const std::vector<LoweredKernel> kernels =
      lower(product(32, 32, 16), {},
            parse_schedule("product.split(m, 16)\nproduct.split(n, 16)\nproduct.split(k, 8)\n"
                           "product.reorder(m.0, n.0, m.1, n.1, k.0, k.1)\n"
                           "product.fuse(m.1, n.1)\nproduct.bind(m.1*n.1)\n"
                           "product.parallel(m.0)\nproduct.parallel(n.0)\n"
                           "product.cache_read(a, k.0)\nproduct.cache_read(b, k.0)\n"));
  ASSERT_EQ(kernels.size(), 1u);
  const Nest& nest = kernels[0].nest;
  EXPECT_EQ(nest.threads(), 256);
  EXPECT_EQ(nest.tasks(), 4);
  EXPECT_EQ(nest.group_bytes(), 2 * 16 * 8 * 4);
  EXPECT_EQ(barriers(nest.body), 2) << to_string(nest);
}

TEST(Prefetch, FetchesTheNextTileWhileThisOneIsRead) {
  Nest nest = nest_of({});
  const Expr i = v("i");
  const auto tile = [&](const Expr& at) { return access(0, kFloat, {at}); };
  // Eight threads, each iteration shares one element a thread.
  nest.body = {loop("i", 1, LoopKind::serial, {})};
  nest.buffers[0].shape = {24};
  const Stmt put = loop("a", 8, LoopKind::thread, {store(2, v("a"), tile(i * 8 + v("a")))});
  nest.body = {loop("i", 3, LoopKind::serial, {allocate(2, {put, mirror("b")})})};
  prefetch(nest, "i", {"s"});
  insert_barriers(nest);
  verify(nest);
  const std::string text = to_string(nest);
  // Before the loop the first, in it the next where there is one, which this iteration does not put yet.
  EXPECT_NE(text.find("s.next0[0] = x[a]\n"), std::string::npos) << text;
  EXPECT_NE(text.find("s[a] = s.next0[0]\n"), std::string::npos) << text;
  EXPECT_NE(text.find("if i + 1 < 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("s.next0[0] = x[(i + 1)*8 + a]\n"), std::string::npos) << text;
  EXPECT_EQ(barriers(nest.body), 2) << text;
}

TEST(Prefetch, IsRefusedWithTheReason) {
  Nest nest = nest_of({mirror("b")});
  nest.body = {loop("i", 3, LoopKind::serial, std::move(nest.body))};
  EXPECT_THROW(prefetch(nest, "i", {"s"}), Error);
  nest = nest_of({fill("a"), mirror("b")});
  nest.body = {loop("i", 3, LoopKind::unrolled, std::move(nest.body))};
  EXPECT_THROW(prefetch(nest, "i", {"s"}), Error);
  nest = nest_of({fill("a"), mirror("b")});
  const std::string before = to_string(nest);
  prefetch(nest, "i", {"s"});
  EXPECT_EQ(to_string(nest), before) << "no such loop";
}

TEST(Bind, IsRefusedWithTheReason) {
  const Computation c = product(32, 32, 64);
  EXPECT_EQ(refusal(c, "product.bind(q)"), "stage product, bind(q): no loop q (loops: m n k)");
  EXPECT_NE(refusal(c, "product.bind(m)\nproduct.bind(n)").find("loop m is bound already"), std::string::npos);
  EXPECT_NE(refusal(c, "product.reorder(k, n)\nproduct.bind(n)").find("loop n runs inside a reduction"),
            std::string::npos);
  EXPECT_NE(refusal(c, "product.split(m, 5, balance)\nproduct.bind(m.1)").find("blocks of different sizes"),
            std::string::npos);
  EXPECT_NE(refusal(c, "product.split(k, 16)\nproduct.bind(k.1)").find("16 threads, which are no power of two"),
            std::string::npos);
  EXPECT_NE(refusal(c, "product.bind(m)\nproduct.parallel(m)").find("bound too"), std::string::npos);
}

}  // namespace
}  // namespace altrt::jit
