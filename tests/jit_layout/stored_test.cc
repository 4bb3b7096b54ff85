// Constants in one memory: store_at and decouple_at across the tensors of a Computation.
#include "jit/layout/stored.h"

#include <gtest/gtest.h>

#include <cstring>

#include <altrt/error.h>

#include "jit/layout/permute.h"
#include "tests/jit_expr/random_index.h"
#include "tests/jit_layout/random_layout.h"

namespace altrt::jit::testing {
namespace {

using Layouts = std::map<std::string, Layout>;

TensorDecl constant_of(const std::string& name, const std::vector<int64_t>& shape, DataType type = DataType::f32) {
  return {name, type, extents(shape), Role::constant};
}

/// Weights w[3, 4], biases b[4] and c[4], a matrix v[3, 4], a scalar s, an input x[4], an intermediate z[4].
Computation sample() {
  Computation c;
  c.name = "sample";
  for (const TensorDecl& decl :
       {constant_of("w", {3, 4}), constant_of("b", {4}), constant_of("c", {4}), constant_of("v", {3, 4}),
        constant_of("s", {}), constant_of("h", {4}, DataType::f64), TensorDecl{"x", DataType::f32, {4}, Role::input},
        TensorDecl{"z", DataType::f32, {4}, Role::intermediate},
        TensorDecl{"r", DataType::f32, {Extent::symbolic(4, 0)}, Role::constant}}) {
    c.add_tensor(decl);
  }
  return c;
}

Layouts parse(const std::vector<std::pair<std::string, std::string>>& texts) {
  Layouts layouts;
  for (const auto& [name, text] : texts) layouts[name] = parse_layout(text);
  return layouts;
}

std::string refusal(const std::vector<std::pair<std::string, std::string>>& texts) {
  try {
    resolve_store_at(sample(), parse(texts));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "accepted";
}

std::vector<float> pack(const Computation& c, const StoredLayouts& stored, int host,
                        const std::vector<std::vector<float>>& data) {
  const auto shape_of = [&](int t) {
    std::vector<int64_t> shape;
    for (const Extent& extent : c.tensors[static_cast<size_t>(t)].shape) shape.push_back(extent.bound);
    return shape;
  };
  const Permute permute(DataType::f32, shape_of(host), {}, stored.layout(c, host));
  std::vector<float> memory(static_cast<size_t>(permute.bytes_to()) / sizeof(float));
  permute.run(data[static_cast<size_t>(host)].data(), memory.data(), 0, permute.tasks());
  for (const int source : stored.sources(host)) {
    store_source(DataType::f32, shape_of(source), stored.layout(c, source), data[static_cast<size_t>(source)].data(),
                 memory.data());
  }
  return memory;
}

TEST(StoreAt, TextAndHash) {
  Layout layout;
  layout.split(0, {0, 16}).store_at("w", 1);
  EXPECT_EQ(to_string(layout), "split(0, 0x16) store_at(w, 1)");
  EXPECT_EQ(parse_layout("split(0,0x16)store_at( w ,1 )"), layout);
  Layout whole = Layout().store_at("w", 1, {9, 10}).decouple_at("w", 1, {9, 10});
  EXPECT_EQ(to_string(whole), "store_at(w, 1, 9, 10) decouple_at(w, 1, 9, 10)");
  EXPECT_EQ(parse_layout(to_string(whole)), whole);
  for (const std::string& name : {std::string("/layer1/conv.1:weight"), std::string("a, b)"), std::string("a \"b\\c"),
                                  std::string("\\"), std::string(" ")}) {
    layout = Layout().store_at(name, 0);
    EXPECT_EQ(parse_layout(to_string(layout)), layout) << to_string(layout);
  }
  EXPECT_NE(Layout().store_at("w", 1), Layout().store_at("v", 1));
  EXPECT_NE(hash(Layout().store_at("w", 1)), hash(Layout().store_at("v", 1)));
  EXPECT_NE(hash(Layout().store_at("w", 1)), hash(Layout().store_at("w", 0)));
  EXPECT_NE(hash(Layout().store_at("w", 1)), hash(Layout().decouple_at("w", 1)));
  for (const char* nonsense : {"store_at", "store_at()", "store_at(w)", "store_at(w,)", "store_at(, 1)",
                               "store_at(\"w, 1)", "store_at(w, x)", "store_at(w, 1"}) {
    EXPECT_THROW(parse_layout(nonsense), Error) << nonsense;
  }
}

TEST(StoreAt, OneTensorAlone) {
  const std::vector<Extent> shape = extents({3, 4});
  const Layout layout = Layout().store_at("w", 1, {5, 7});
  EXPECT_EQ(physical_shape(layout, shape), extents({3, 7, 4}));
  EXPECT_EQ(physical_names(layout, {"h", "o"}), (std::vector<std::string>{"h", "w", "o"}));
  EXPECT_EQ(inverse(layout, shape), Layout().decouple_at("w", 1, {5, 7}));
  EXPECT_EQ(inverse(inverse(layout, shape), extents({3, 7, 4})), layout);
  EXPECT_EQ(physical_shape(inverse(layout, shape), extents({3, 7, 4})), shape);
  const auto reason = [&](const Layout& l) -> std::string {
    try {
      verify(l, shape);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  const auto step = [](const std::string& text) { return "layout step 1, " + text + ", on [3, 4]: "; };
  EXPECT_EQ(reason(Layout().store_at("w", 0)),
            step("store_at(w, 0)") + "its place in 'w' is known only together with that tensor's layout");
  EXPECT_EQ(reason(Layout().store_at("w", 3, {0, 1})),
            step("store_at(w, 3, 0, 1)") + "a tensor of rank 2 can't be stored along dimension 3");
  EXPECT_EQ(reason(Layout().store_at("w", 0, {2, 2})),
            step("store_at(w, 0, 2, 2)") + "there is no index 2 in an extent of 2");
  EXPECT_EQ(reason(Layout().store_at("w", 0, {2})),
            step("store_at(w, 0, 2)") + "expected index and extent, got 1 numbers");
  EXPECT_EQ(reason(Layout().decouple_at("w", 2, {0, 1})),
            step("decouple_at(w, 2, 0, 1)") + "dimension 2 of a tensor of rank 2");
  EXPECT_EQ(reason(Layout().decouple_at("w", 0, {0, 4})),
            step("decouple_at(w, 0, 0, 4)") + "dimension 0 has an extent of 3, not 4");
  EXPECT_THROW(verify(Layout().store_at("w", 0, {0, 1}), {Extent::symbolic(4, 0)}), Error);
  EXPECT_THROW(verify(Layout().decouple_at("w", 0, {0, 4}), {Extent::symbolic(4, 0)}), Error);
}

TEST(StoreAt, ThePapersExample) {
  // C[i, j] = sum over k of A[i, k] * P[k, j] + P[K, j]
  constexpr int64_t kK = 3, kN = 4;
  const Computation c = sample();
  const StoredLayouts stored = resolve_store_at(c, parse({{"b", "store_at(w, 0)"}}));
  EXPECT_EQ(stored.memory[1], 0);
  EXPECT_EQ(stored.sources(0), std::vector<int>{1});
  EXPECT_EQ(physical_shape(stored.layout(c, 0), extents({kK, kN})), extents({kK + 1, kN}));
  const Exprs index = to_physical(stored.layout(c, 1), extents({kN}), {variable("j")}, {{"j", {0, kN - 1}}});
  ASSERT_EQ(index.size(), 2u);
  EXPECT_TRUE(index[0].is_int(kK));
  EXPECT_EQ(to_string(index[1]), "j");
  std::vector<std::vector<float>> data{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {-1, -2, -3, -4}};
  EXPECT_EQ(pack(c, stored, 0, data), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, -1, -2, -3, -4}));
}

TEST(StoreAt, SeveralSourcesFollowInTheOrderOfTensors) {
  const Computation c = sample();
  const StoredLayouts stored = resolve_store_at(c, parse({{"w", "split(1, 0x2) reorder(1,0,2)"},
                                                          {"c", "split(0, 0x2) store_at(w, 1)"},
                                                          {"b", "split(0, 0x2) store_at(w, 1)"}}));
  EXPECT_EQ(stored.sources(0), (std::vector<int>{1, 2}));
  EXPECT_EQ(to_string(stored.layout(c, 1)), "split(0, 0x2) store_at(w, 1, 3, 5)");
  EXPECT_EQ(to_string(stored.layout(c, 2)), "split(0, 0x2) store_at(w, 1, 4, 5)");
  EXPECT_EQ(to_string(stored.layout(c, 0)), "split(1, 0x2) reorder(1,0,2) pad(1, 0, 2)");
  const std::vector<float> w{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  EXPECT_EQ(pack(c, stored, 0, {w, {21, 22, 23, 24}, {31, 32, 33, 34}}),
            (std::vector<float>{1, 2, 5, 6, 9, 10, 21, 22, 31, 32, 3, 4, 7, 8, 11, 12, 23, 24, 33, 34}));
  // Given places must be the right ones.
  EXPECT_EQ(refusal({{"b", "store_at(w, 0, 3, 4)"}}), "accepted");
  EXPECT_EQ(refusal({{"b", "store_at(w, 0, 2, 4)"}}),
            "tensor b, store_at(w, 0, 2, 4): its place is index 3 of an extent of 4");
}

TEST(StoreAt, DecoupleAtTakesItBack) {
  const Computation c = sample();
  const StoredLayouts stored = resolve_store_at(c, parse({{"b", "split(0, 0x2) store_at(w, 1) decouple_at(w, 1)"},
                                                          {"x", "store_at(a, 0, 1, 3) decouple_at(a, 0, 1, 3)"}}));
  EXPECT_EQ(to_string(stored.layout(c, 1)), "split(0, 0x2)");
  EXPECT_TRUE(stored.layout(c, 6).is_plain());
  for (size_t t = 0; t < stored.memory.size(); ++t) EXPECT_EQ(stored.memory[t], static_cast<int>(t));
}

TEST(StoreAt, EveryRefusalSaysWhy) {
  EXPECT_EQ(refusal({{"b", "store_at(w, 0)"}, {"c", "store_at(w, 0)"}}), "accepted");
  EXPECT_EQ(refusal({{"b", "store_at(u, 0)"}}), "tensor b, store_at(u, 0): there is no tensor u");
  EXPECT_EQ(refusal({{"b", "store_at(b, 0)"}}), "tensor b, store_at(b, 0): a tensor can't be stored at itself");
  const std::string only = ": only constants are packed into one memory, when they are loaded";
  EXPECT_EQ(refusal({{"x", "store_at(w, 0)"}}), "tensor x, store_at(w, 0): x is an input" + only);
  EXPECT_EQ(refusal({{"b", "store_at(x, 0)"}}), "tensor b, store_at(x, 0): x is an input" + only);
  EXPECT_EQ(refusal({{"z", "store_at(w, 0)"}}), "tensor z, store_at(w, 0): z is an intermediate" + only);
  EXPECT_EQ(refusal({{"h", "store_at(w, 0)"}}), "tensor h, store_at(w, 0): elements are f64, those of w are f32");
  EXPECT_EQ(refusal({{"r", "store_at(w, 0)"}}), "tensor r, store_at(w, 0): r has a run-time extent");
  EXPECT_EQ(refusal({{"b", "store_at(w, 0)"}, {"s", "store_at(b, 0)"}}),
            "tensor s, store_at(b, 0): b is itself stored at another tensor");
  EXPECT_EQ(refusal({{"b", "store_at(w, 1)"}}),
            "tensor b, store_at(w, 1): its shape is [4], not that of w, [3, 4], without dimension 1");
  EXPECT_EQ(refusal({{"b", "store_at(w, 2)"}}), "tensor b, store_at(w, 2): w has no dimension 2 in its layout, [3, 4]");
  EXPECT_EQ(refusal({{"w", "split(1, 0x2)"}, {"b", "store_at(w, 0)"}}),
            "tensor b, store_at(w, 0): its shape is [4], not that of w, [3, 2, 2], without dimension 0");
  EXPECT_EQ(refusal({{"w", "pad(0, 0, 1)"}, {"b", "store_at(w, 0)"}, {"c", "store_at(w, 1)"}}),
            "tensor c, store_at(w, 1): w holds other tensors along dimension 0");
  EXPECT_EQ(refusal({{"b", "store_at(w, 0) pad(0, 0, 1)"}}),
            "tensor b, store_at(w, 0): only decouple_at may follow it");
  EXPECT_EQ(refusal({{"b", "store_at(w, 0) decouple_at(w, 1)"}}),
            "tensor b, store_at(w, 0): only decouple_at may follow it");
  EXPECT_EQ(refusal({{"w", "decouple_at(w, 0, 0, 3)"}}),
            "tensor w, decouple_at(w, 0, 0, 3): there is no such store_at right before it");
  EXPECT_EQ(refusal({{"s", "store_at(b, 0)"}}), "accepted") << "a scalar behind a vector";
}

/// Host and sources in random layouts: the memory holds what the definition says, and gives each back.
TEST(StoreAt, RandomHostsAndSources) {
  RandomLayout random(test_seed(20241126));
  int stored_cases = 0;
  for (int i = 0; i < cases(1500); ++i) {
    Computation c;
    const std::vector<int64_t> shape = random.shape(3, 7);
    c.add_tensor(constant_of("w", shape));
    Layouts layouts{{"w", random.layout(shape, 4, true, 600)}};
    const bool twins = std::any_of(layouts["w"].steps.begin(), layouts["w"].steps.end(),
                                   [](const LayoutStep& s) { return s.kind == LayoutKind::store_at; });
    if (twins) continue;  // only decouple_at may follow it in a Computation
    const Placement host = place(layouts["w"], shape);
    const auto dim = static_cast<int>(random.integer(0, static_cast<int64_t>(host.shape.size()) - 1));
    std::vector<int64_t> rest = host.shape;
    rest.erase(rest.begin() + dim);
    const int64_t sources = random.integer(1, 3);
    std::vector<std::vector<float>> data(1 + static_cast<size_t>(sources));
    for (int64_t s = 0; s < sources; ++s) {
      const std::string name = "b" + std::to_string(s);
      const bool flat = !rest.empty() && random.integer(0, 1);
      c.add_tensor(constant_of(name, flat ? std::vector<int64_t>{count_of(rest)} : rest));
      if (flat) layouts[name].split(0, rest);
      layouts[name].store_at("w", dim);
      for (int64_t e = 0; e < count_of(rest); ++e)
        data[static_cast<size_t>(s) + 1].push_back(static_cast<float>(1000 * (s + 1) + e));
    }
    for (int64_t e = 0; e < count_of(shape); ++e) data[0].push_back(static_cast<float>(e));
    const StoredLayouts stored = resolve_store_at(c, layouts);
    const std::vector<float> memory = pack(c, stored, 0, data);

    std::vector<int64_t> grown = host.shape;
    grown[static_cast<size_t>(dim)] += sources;
    ASSERT_EQ(static_cast<int64_t>(memory.size()), count_of(grown));
    for (int64_t p = 0; p < count_of(grown); ++p) {
      std::vector<int64_t> index = index_of(p, grown);
      const int64_t beyond = index[static_cast<size_t>(dim)] - host.shape[static_cast<size_t>(dim)];
      const float found = memory[static_cast<size_t>(p)];
      if (beyond < 0) {
        const int64_t element = host.elements[static_cast<size_t>(number_of(index, host.shape))];
        std::optional<double> expected;
        if (element < 0) expected = layouts["w"].steps[static_cast<size_t>(-1 - element)].fill;
        if (element >= 0) expected = data[0][static_cast<size_t>(element)];
        ASSERT_EQ(found, static_cast<float>(expected.value_or(found))) << to_string(layouts["w"]);
        continue;
      }
      index.erase(index.begin() + dim);
      const auto e = static_cast<size_t>(number_of(index, rest));
      ASSERT_EQ(found, data[static_cast<size_t>(beyond) + 1][e]) << to_string(layouts["w"]) << " along " << dim;
    }
    for (size_t t = 0; t < data.size(); ++t) {
      std::vector<int64_t> dense;
      for (const Extent& extent : c.tensors[t].shape) dense.push_back(extent.bound);
      const Permute back(DataType::f32, dense, stored.layout(c, static_cast<int>(t)), {});
      std::vector<float> again(data[t].size());
      back.run(memory.data(), again.data(), 0, back.tasks());
      ASSERT_EQ(again, data[t]) << c.tensors[t].name;
    }
    ++stored_cases;
  }
  EXPECT_GT(stored_cases, cases(1500) / 4);
}

}  // namespace
}  // namespace altrt::jit::testing
