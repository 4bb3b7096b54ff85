// Every operation as CUDA text on the host against the interpreter, over pairs of values at the edges of each type.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "jit/expr/scalar.h"
#include "jit/loop/interpret.h"
#include "tests/jit_gpu/run_host.h"
#include "tests/jit_loop/build.h"

namespace altrt::jit {
namespace {

using namespace build;  // NOLINT

constexpr int64_t kSide = 16, kPoints = kSide * kSide;

std::vector<double> edges(DataType type) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  switch (type) {
    case DataType::f32:
      return {0.0, -0.0, 1, -1, 0.5, -1.5, 2.5, 126.7, -129, 255.9, 2147483648.0, -9.3e18, 1e-40, nan, inf, -inf};
    case DataType::f64:
      return {0.0, -0.0, 1, -1, 0.5, -1.5, 2.5, 126.7, -129, 255.9, 2147483647.5, 9.3e18, 1e-310, nan, inf, -inf};
    case DataType::i8:
      return {0, 1, 2, 3, 5, 7, 64, 100, 126, 127, -1, -2, -3, -100, -127, -128};
    case DataType::u8:
      return {0, 1, 2, 3, 5, 7, 64, 100, 126, 127, 128, 129, 200, 253, 254, 255};
    case DataType::i32:
      return {0, 1, 2, 3, 7, 100, 65536, 2147483646, 2147483647, -1, -2, -3, -100, -65536, -2147483647, -2147483648.0};
    default:
      return {0, 1, 2, 3, 7, 100, 4294967296, 9007199254740992, -1, -2, -3, -5, -100, -4294967296, -9e18, -0x1p63};
  }
}

void set(DataType type, void* memory, int64_t i, double value) {
  const auto put = [&](auto v) { std::memcpy(static_cast<char*>(memory) + i * sizeof v, &v, sizeof v); };
  switch (type) {
    case DataType::f32:
      return put(static_cast<float>(value));
    case DataType::f64:
      return put(value);
    case DataType::i64:
      return put(static_cast<int64_t>(value));
    case DataType::i32:
      return put(static_cast<int32_t>(value));
    case DataType::i8:
      return put(static_cast<int8_t>(value));
    default:
      return put(static_cast<uint8_t>(value));
  }
}

bool same(DataType type, const char* a, const char* b) {
  if (std::memcmp(a, b, size_of(type)) == 0) return true;
  const auto both_nan = [&](auto x, auto y) {
    std::memcpy(&x, a, sizeof x);
    std::memcpy(&y, b, sizeof y);
    return std::isnan(x) && std::isnan(y);
  };
  return type == DataType::f32 ? both_nan(0.0f, 0.0f) : type == DataType::f64 && both_nan(0.0, 0.0);
}

struct Operation {
  std::string name;
  std::function<Expr(const Expr&, const Expr&)> make;
};

/// y[v] = operation(a[v], b[v]): a thread a point, or four points at a time.
Nest nest_of(const std::string& name, DataType type, const Operation& operation, bool lanes) {
  Nest nest;
  nest.name = name + (lanes ? ".lanes" : "");
  const Expr result = operation.make(access(0, type, {Expr(0)}), access(1, type, {Expr(0)}));
  const int a = add_buffer(&nest, "a", type, {kPoints}), b = add_buffer(&nest, "b", type, {kPoints});
  const int y = add_buffer(&nest, "y", result->type, {kPoints}, true);
  const Expr at = lanes ? variable("t") * Expr(4) + variable("lane") : variable("t");
  Block body{store(y, {at}, operation.make(access(a, type, {at}), access(b, type, {at})))};
  if (lanes) body = {vector("lane", Expr(4), std::move(body))};
  nest.body = {loop("t", Expr(lanes ? kPoints / 4 : kPoints), LoopKind::thread, std::move(body))};
  return nest;
}

/// The interpreter's results; its threads take turns.
void interpret_in_turn(Nest nest, const std::vector<void*>& arguments) {
  nest.body[0].loop = LoopKind::serial;
  interpret(nest, arguments, {}, 0, 1);
}

class CudaValues : public testing::TestWithParam<DataType> {
 protected:
  void SetUp() override {
    if (!cuda_host::compiler_trouble().empty()) GTEST_SKIP() << cuda_host::compiler_trouble();
  }
  void check(const std::vector<Operation>& operations) {
    const DataType type = GetParam();
    std::vector<Nest> nests;
    std::vector<cuda_host::Text> texts;
    for (const Operation& operation : operations) {
      for (const bool lanes : {false, true}) {
        nests.push_back(nest_of(operation.name, type, operation, lanes));
        verify(nests.back());
        texts.push_back({gpu::cuda_source(nests.back(), named_target("sm_90")), gpu::entry_name(nests.back())});
      }
    }
    const std::vector<cuda_host::HostKernel> kernels = cuda_host::compile_on_host(texts);
    for (size_t i = 0; i < nests.size(); ++i) check(nests[i], kernels[i], texts[i].text);
  }

 private:
  static void check(const Nest& nest, const cuda_host::HostKernel& kernel, const std::string& text) {
    const DataType type = nest.buffers[0].type, result = nest.buffers[2].type;
    const std::vector<double> values = edges(type);
    std::vector<char> a(kPoints * 8), b(kPoints * 8), y(kPoints * 8), expected(kPoints * 8);
    for (int64_t i = 0; i < kPoints; ++i) {
      set(type, a.data(), i, values[static_cast<size_t>(i / kSide)]);
      set(type, b.data(), i, values[static_cast<size_t>(i % kSide)]);
    }
    interpret_in_turn(nest, {a.data(), b.data(), expected.data()});
    run_on_host(kernel, nest, {a.data(), b.data(), y.data()}, 1);
    const size_t size = size_of(result);
    for (int64_t i = 0; i < kPoints; ++i) {
      ASSERT_TRUE(same(result, &y[static_cast<size_t>(i) * size], &expected[static_cast<size_t>(i) * size]))
          << nest.name << " of " << values[static_cast<size_t>(i / kSide)] << ", "
          << values[static_cast<size_t>(i % kSide)] << "\n"
          << text;
    }
  }
};

TEST_P(CudaValues, Operations) {
  const DataType type = GetParam();
  const auto unary_of = [](ExprKind kind) { return [kind](const Expr& x, const Expr&) { return unary(kind, x); }; };
  std::vector<Operation> all{{"add", [](const Expr& x, const Expr& y) { return x + y; }},
                             {"sub", [](const Expr& x, const Expr& y) { return x - y; }},
                             {"mul", [](const Expr& x, const Expr& y) { return x * y; }},
                             {"nested", [](const Expr& x, const Expr& y) { return x - (y - x) * (x + y); }},
                             {"quotient", [](const Expr& x, const Expr& y) { return div(x, y); }},
                             {"least", [](const Expr& x, const Expr& y) { return min(x, y); }},
                             {"largest", [](const Expr& x, const Expr& y) { return max(x, y); }},
                             {"less", [](const Expr& x, const Expr& y) { return lt(x, y); }},
                             {"at_most", [](const Expr& x, const Expr& y) { return le(x, y); }},
                             {"equal", [](const Expr& x, const Expr& y) { return eq(x, y); }},
                             {"unequal", [](const Expr& x, const Expr& y) { return ne(x, y); }},
                             {"either", [](const Expr& x, const Expr& y) { return select(lt(x, y), x - y, y - x); }},
                             {"negative", [](const Expr& x, const Expr&) { return -x; }},
                             {"negative_sum", [](const Expr& x, const Expr& y) { return -(x + y) - -y; }},
                             {"magnitude", unary_of(ExprKind::abs)}};
  if (is_float(type)) {
    all.push_back({"root", unary_of(ExprKind::sqrt)});
    all.push_back({"below", unary_of(ExprKind::floor)});
    all.push_back({"above", unary_of(ExprKind::ceil)});
    all.push_back({"nearest", unary_of(ExprKind::round_even)});
    all.push_back({"fused", [](const Expr& x, const Expr& y) { return fma(x, y, x); }});
  } else {
    all.push_back({"floor_quotient", [](const Expr& x, const Expr& y) { return floor_div(x, y); }});
    all.push_back({"remainder", [](const Expr& x, const Expr& y) { return floor_mod(x, y); }});
  }
  check(all);
}

TEST_P(CudaValues, Casts) {
  std::vector<Operation> all;
  for (const DataType to :
       {DataType::f32, DataType::f64, DataType::i64, DataType::i32, DataType::i8, DataType::u8, DataType::boolean}) {
    if (to != GetParam()) {
      all.push_back(
          {std::string("to_") + altrt::to_string(to), [to](const Expr& x, const Expr&) { return cast(to, x); }});
    }
  }
  check(all);
}

/// Indices that count down, where division rounds towards minus infinity.
TEST_P(CudaValues, NegatedIndices) {
  const DataType type = GetParam();
  Nest nest;
  nest.name = "downwards";
  const int x = add_buffer(&nest, "x", type, {3, 6}), y = add_buffer(&nest, "y", type, {9}, true);
  const Expr v = -variable("t");
  nest.body = {loop("t", Expr(9), LoopKind::thread,
                    {store(y, {variable("t")}, access(x, type, {floor_div(v, Expr(4)) + 2, floor_mod(v, Expr(4))}))})};
  verify(nest);
  std::vector<char> from(18 * 8), got(9 * 8), expected(9 * 8);
  for (int64_t i = 0; i < 18; ++i) set(type, from.data(), i, static_cast<double>(i + 1));
  interpret_in_turn(nest, {from.data(), expected.data()});
  const std::string text = gpu::cuda_source(nest, named_target("sm_90"));
  run_on_host(cuda_host::compile_on_host(text, gpu::entry_name(nest)), nest, {from.data(), got.data()}, 1);
  EXPECT_EQ(got, expected) << text;
}

std::string test_name(const testing::TestParamInfo<DataType>& info) { return altrt::to_string(info.param); }
INSTANTIATE_TEST_SUITE_P(Types, CudaValues,
                         testing::Values(DataType::f32, DataType::f64, DataType::i64, DataType::i32, DataType::i8,
                                         DataType::u8),
                         test_name);

}  // namespace
}  // namespace altrt::jit
