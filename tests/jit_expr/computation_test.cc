#include "jit/expr/computation.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <functional>

#include "jit/expr/evaluate.h"
#include "tests/jit_expr/samples.h"

namespace altrt::jit {
namespace {

using testing::f32;

std::string refusal(const Computation& c) {
  try {
    verify(c);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    return e.what();
  }
  return "";
}

TEST(Print, convolution) {
  EXPECT_EQ(
      to_string(testing::conv(8, 16, 14)),
      "computation conv (direct)\n"
      "  anchor conv conv kernel=3,3 strides=1,1 dilations=1,1 pads=1,1,1,1 data=x weights=weights\n"
      "  input x: f32[1, 8, 14, 14]\n"
      "  constant weights: f32[16, 8, 3, 3]\n"
      "  output y: f32[1, 16, 14, 14]\n"
      "  stage conv for n:1, o:16, h:14, w:14 over i:8, kh:3, kw:3\n"
      "    state0: f32 = 0.0 -> fma(select(0 <= h + kh - 1 && h + kh - 1 < 14 && 0 <= w + kw - 1 && w + kw - 1 < 14, "
      "x[n, i, h + kh - 1, w + kw - 1], 0.0), weights[o, i, kh, kw], state0)\n"
      "      combine state0 + other0\n"
      "    y[n, o, h, w] = state0\n");
}

TEST(Hash, ignores_names_only) {
  const Computation a = testing::conv(8, 16, 14);
  Computation b = a;
  b.name = "other";
  b.tensors[0].name = "input";
  b.stages[0].name = "work";
  b.stages[0].axes[2].name = "row";
  const Substitution renamed{{"h", variable("row")}};
  b.stages[0].store[2] = variable("row");
  b.stages[0].state[0].update = substitute(b.stages[0].state[0].update, renamed);
  verify(b);
  EXPECT_EQ(hash(a), hash(b));
  EXPECT_NE(hash(a), hash(testing::conv(8, 16, 14, 2)));
  EXPECT_NE(hash(a), hash(testing::conv(8, 17, 14)));
  b.algorithm = "winograd4";
  EXPECT_NE(hash(a), hash(b));
}

TEST(Queries, writers_and_readers) {
  const Computation c = testing::softmax(3, 4);
  EXPECT_EQ(c.readers(c.find_tensor("x")), (std::vector<int>{0, 1}));
  EXPECT_EQ(c.writers(c.find_tensor("sum")), (std::vector<int>{0}));
  EXPECT_EQ(c.with_role(Role::intermediate), (std::vector<int>{1, 2}));
  EXPECT_EQ(c.find_stage("scale"), 1);
  EXPECT_EQ(c.find_tensor("none"), -1);
}

struct Refusal {
  const char* name;
  const char* message;  // part of it
  std::function<void(Computation&)> damage;
};

void PrintTo(const Refusal& r, std::ostream* out) { *out << r.name; }

class Verify : public ::testing::TestWithParam<Refusal> {};

// Softmax with one thing broken.
TEST_P(Verify, refuses) {
  Computation c = testing::softmax(3, 4);
  EXPECT_EQ(refusal(c), "");
  GetParam().damage(c);
  const std::string message = refusal(c);
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
}

Expr x_at(const Expr& row, const Expr& column) { return access(0, DataType::f32, {row, column}); }
const Expr a = variable("a"), b = variable("b");

const Refusal kRefusals[] = {
    {"tensor_names", "tensor name 'x' is not unique", [](Computation& c) { c.tensors[1].name = "x"; }},
    {"stage_names", "stage name 'scale' is not unique", [](Computation& c) { c.stages[0].name = "scale"; }},
    {"axis_names", "axis name 'r' is not unique", [](Computation& c) { c.stages[1].axes[0].name = "r"; }},
    {"order", "before it is written", [](Computation& c) { std::swap(c.stages[0], c.stages[1]); }},
    {"rank", "wrong rank", [](Computation& c) { c.stages[1].results[0] = access(0, DataType::f32, {a}); }},
    {"access_type", "wrong type",
     [](Computation& c) {
       c.stages[1].results[0] = cast(DataType::f32, access(0, DataType::f64, {a, b}));
     }},
    {"no_tensor", "does not exist",
     [](Computation& c) {
       c.stages[1].results[0] = access(9, DataType::f32, {a, b});
     }},
    {"outside", "not proven to lie in [0, 4)", [](Computation& c) { c.stages[1].results[0] = x_at(a, b + 1); }},
    {"outside_below", "not proven", [](Computation& c) { c.stages[1].results[0] = x_at(a - 1, b); }},
    {"wrong_guard", "not proven",
     [](Computation& c) { c.stages[1].results[0] = select(lt(b, 4), x_at(a, b + 1), f32(0)); }},
    {"other_branch", "not proven",
     [](Computation& c) { c.stages[1].results[0] = select(lt(b, 3), f32(0), x_at(a, b + 1)); }},
    {"index_division", "positive constant",
     [](Computation& c) { c.stages[1].results[0] = x_at(a, floor_mod(b, a + 1)); }},
    {"result_type", "its tensor f32", [](Computation& c) { c.stages[1].results[0] = a; }},
    {"result_absent", "absent", [](Computation& c) { c.stages[1].results[0] = Expr(); }},
    {"result_count", "differ in number", [](Computation& c) { c.stages[0].results.pop_back(); }},
    {"unknown_variable", "no axis in scope", [](Computation& c) { c.stages[1].results[0] = x_at(a, variable("k")); }},
    {"reduction_in_result", "no axis in scope",
     [](Computation& c) { c.stages[0].results[0] = x_at(variable("r"), variable("k")); }},
    {"state_without_reduction", "both be there", [](Computation& c) { c.stages[0].reduce.clear(); }},
    {"reduction_without_state", "both be there", [](Computation& c) { c.stages[0].state.clear(); }},
    {"state_type", "types differ", [](Computation& c) { c.stages[0].state[0].init = Expr(0); }},
    {"state_number", "does not exist", [](Computation& c) { c.stages[0].results[0] = state(2, DataType::f32); }},
    {"state_in_map", "does not exist", [](Computation& c) { c.stages[1].results[0] = state(0, DataType::f32); }},
    {"other_in_update", "must not use other0",
     [](Computation& c) { c.stages[0].state[0].update = other(0, DataType::f32); }},
    {"access_in_init", "must not access",
     [](Computation& c) { c.stages[0].state[0].init = x_at(variable("r"), Expr(0)); }},
    {"access_in_combine", "must not access",
     [](Computation& c) { c.stages[0].state[0].combine = x_at(variable("r"), Expr(0)); }},
    {"writes_input", "which is an input", [](Computation& c) { c.stages[1].outputs[0] = 0; }},
    {"no_output", "there is no output",
     [](Computation& c) { c.stages[1].outputs.clear(), c.stages[1].results.clear(); }},
    {"same_output_twice", "twice", [](Computation& c) { c.stages[0].outputs[1] = c.stages[0].outputs[0]; }},
    {"output_shapes", "differ in shape", [](Computation& c) { c.tensors[1].shape = {5}; }},
    {"store_rank", "the store has the wrong rank", [](Computation& c) { c.stages[1].store.pop_back(); }},
    {"store_outside", "the store: index b + 1", [](Computation& c) { c.stages[1].store[1] = b + 1; }},
    {"store_not_affine", "not affine", [](Computation& c) { c.stages[1].store[1] = floor_mod(b + 1, 4); }},
    {"store_repeats", "repeats values",
     [](Computation& c) {
       c.stages[1].axes.push_back({"extra", 2});
       c.tensors[3].shape[1] = 8;
       c.stages[1].store[1] = b + variable("extra") * 3;
     }},
    {"store_drops_axis", "does not show in the store", [](Computation& c) { c.stages[1].store[1] = Expr(0); }},
    {"store_axis_twice", "occurs twice",
     [](Computation& c) {
       c.stages[1].store[0] = c.stages[1].store[1] = b;
       c.tensors[3].shape = {4, 4};
     }},
    {"not_covered", "12 of 15 elements",
     [](Computation& c) {
       c.tensors[3].shape = {3, 5};
     }},
    {"overlap", "may store the same element",
     [](Computation& c) {
       Stage again = c.stages[1];
       again.name = "again";
       again.axes = {{"p", 3}, {"q", 4}};
       again.store = {variable("p"), variable("q")};
       again.results = {f32(1)};
       c.stages.push_back(again);
     }},
    {"never_written", "0 of 3 elements",
     [](Computation& c) {
       c.add_tensor({"ghost", DataType::f32, {3}, Role::output});
     }},
    {"extent", "is not positive", [](Computation& c) { c.tensors[0].shape[1] = 0; }},
    {"symbolic_inner", "only the outermost", [](Computation& c) { c.tensors[0].shape[1] = Extent::symbolic(4, 0); }},
    {"symbolic_reduction", "only the outermost",
     [](Computation& c) { c.stages[0].reduce[0].extent = Extent::symbolic(4, 0); }},
    {"symbolic_not_covered", "symbolic extent",
     [](Computation& c) { c.stages[1].axes[0].extent = Extent::symbolic(3, 0); }},
    {"symbolic_store", "the store: index a of a is not proven",
     [](Computation& c) { c.tensors[3].shape[0] = Extent::symbolic(3, 0); }},
    {"symbolic_read", "not proven", [](Computation& c) { c.tensors[0].shape[0] = Extent::symbolic(3, 0); }},
    {"helper", "unknown helper",
     [](Computation& c) { c.stages[1].results[0] = call("sine", DataType::f32, {x_at(a, b)}); }},
    {"helper_arity", "other arguments",
     [](Computation& c) { c.stages[1].results[0] = call("pow_f32", DataType::f32, {x_at(a, b)}); }},
    {"table", "not proven to lie in [0, 2)",
     [](Computation& c) {
       c.stages[1].results[0] =
           table(std::make_shared<const std::vector<double>>(std::vector<double>{1, 2}), DataType::f32, b);
     }},
    {"anchor", "anchor's stage", [](Computation& c) { c.anchor.stage = 5; }},
};

INSTANTIATE_TEST_SUITE_P(All, Verify, ::testing::ValuesIn(kRefusals),
                         [](const auto& info) { return std::string(info.param.name); });

// Two phases of a transposed convolution and a concatenation: stores that are slices and sub-lattices.
TEST(VerifyAccepts, slices_and_sub_lattices) {
  Computation c;
  c.name = "phases";
  const int y = c.add_tensor({"y", DataType::f32, {5, 6}, Role::output});
  const auto add = [&](const char* name, int64_t rows, Expr row, Expr column, int64_t columns) {
    const std::string p(name);
    Stage s{p, {{p + "r", rows}, {p + "c", columns}}, {}, {}, {y}, {row, column}, {f32(1)}};
    c.stages.push_back(s);
  };
  add("even", 3, variable("evenr") * 2, variable("evenc"), 4);
  add("odd", 2, variable("oddr") * 2 + 1, variable("oddc"), 4);
  add("tail", 5, variable("tailr"), variable("tailc") + 4, 2);
  EXPECT_EQ(refusal(c), "");
  c.stages.pop_back();
  EXPECT_NE(refusal(c).find("20 of 30 elements"), std::string::npos);
}

}  // namespace
}  // namespace altrt::jit
