#include "tests/ops/harness.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>

#include "jit/expr/evaluate.h"

namespace altrt::ops::testing {
namespace {

/// A NodeInfo and what it points to.
struct Prepared {
  NodeAttributes attributes;
  NodeInfo info;

  explicit Prepared(const Node& node) {
    attributes.values = node.attributes;
    for (const auto& [name, tensor] : node.tensors) attributes.tensors[name] = std::make_shared<const Tensor>(tensor);
    info.where = "test: node 'it' (" + node.type + ")";
    info.type = node.type;
    info.domain = node.domain;
    info.opset = node.opset;
    info.attributes = &attributes;
    info.outputs = node.outputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i]) {
        info.inputs.push_back(std::nullopt);
        continue;
      }
      const Tensor& tensor = *node.inputs[i];
      info.inputs.push_back(
          Operand{tensor.type(), tensor.shape(), node.known.count(static_cast<int>(i)) ? &tensor : nullptr});
    }
  }
};

const OpDef& definition(const Node& node) {
  const OpDef* op = find_op(node.domain, node.type, node.opset);
  if (!op) throw Error(ErrorCode::unsupported, why_unsupported(node.domain, node.type, node.opset));
  return *op;
}

jit::Computation build(const Node& node, const Prepared& prepared, const std::vector<ResultType>& results) {
  jit::Computation c;
  c.name = node.type;
  std::vector<int> inputs, outputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.inputs[i]) {
      inputs.push_back(-1);
      continue;
    }
    const Shape& shape = node.inputs[i]->shape();
    inputs.push_back(c.add_tensor({"x" + std::to_string(i), node.inputs[i]->type(), {shape.begin(), shape.end()}, {}}));
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const Shape& shape = results[i].shape;
    outputs.push_back(
        c.add_tensor({"y" + std::to_string(i), results[i].type, {shape.begin(), shape.end()}, jit::Role::output}));
  }
  Builder builder(c, inputs, outputs, node.type);
  definition(node).build(prepared.info, builder);
  bool empty = false;
  for (const ResultType& result : results) empty |= element_count(result.shape) == 0;
  if (!empty) jit::verify(jit::prune(c));  // nothing to compute for an empty result: graphs make it a constant
  EXPECT_FALSE(to_string(c).empty());
  if (c.anchor.kind != jit::AnchorKind::none) {
    EXPECT_GE(c.anchor.stage, 0);
    EXPECT_FALSE(c.stages.at(c.anchor.stage).reduce.empty());
    EXPECT_GE(c.anchor.data, 0);
  }
  return c;
}

}  // namespace

std::vector<ResultType> infer(const Node& node) {
  const Prepared prepared(node);
  return definition(node).infer(prepared.info);
}

jit::Computation computation(const Node& node) {
  const Prepared prepared(node);
  return build(node, prepared, definition(node).infer(prepared.info));
}

std::vector<Tensor> run(const Node& node) {
  const Prepared prepared(node);
  const OpDef& op = definition(node);
  const std::vector<ResultType> results = op.infer(prepared.info);
  EXPECT_EQ(static_cast<int>(results.size()), node.outputs);
  std::vector<Tensor> outputs;
  for (const ResultType& result : results) outputs.emplace_back(result.type, result.shape);
  if (op.host) {
    std::vector<TensorView> inputs, views;
    for (const auto& input : node.inputs) inputs.push_back(input ? input->view() : TensorView());
    for (const Tensor& output : outputs) views.push_back(output.view());
    op.host(prepared.info, inputs, views);
    return outputs;
  }
  const jit::Computation c = build(node, prepared, results);
  std::vector<void*> buffers;
  for (const auto& input : node.inputs) {
    if (input) buffers.push_back(const_cast<void*>(input->data()));
  }
  for (Tensor& output : outputs) buffers.push_back(output.data());
  buffers.resize(c.tensors.size(), nullptr);
  jit::evaluate(c, buffers);
  return outputs;
}

std::string refusal(const Node& node, ErrorCode code) {
  try {
    infer(node);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find("node 'it'"), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << node.type << " was accepted";
  return "";
}

std::mt19937& generator() {
  static std::mt19937 engine = [] {
    const char* text = std::getenv("ALTRT_TEST_SEED");
    const unsigned seed = text ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : 20220513u;
    std::cout << "ALTRT_TEST_SEED=" << seed << "\n";
    return std::mt19937(seed);
  }();
  return engine;
}

int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(generator()); }

Shape pick_shape(int least_rank, int most_rank, int64_t most_extent) {
  Shape shape(pick(least_rank, most_rank));
  for (int64_t& extent : shape) extent = pick(1, most_extent);
  return shape;
}

namespace {

void store(Tensor& tensor, int64_t i, double value) {
  switch (tensor.type()) {
    case DataType::f32:
      tensor.as<float>()[i] = static_cast<float>(value);
      return;
    case DataType::f64:
      tensor.as<double>()[i] = value;
      return;
    case DataType::i64:
      tensor.as<int64_t>()[i] = static_cast<int64_t>(value);
      return;
    case DataType::i32:
      tensor.as<int32_t>()[i] = static_cast<int32_t>(value);
      return;
    case DataType::i8:
      tensor.as<int8_t>()[i] = static_cast<int8_t>(value);
      return;
    case DataType::u8:
      tensor.as<uint8_t>()[i] = static_cast<uint8_t>(static_cast<int>(value));
      return;
    case DataType::boolean:
      tensor.as<bool>()[i] = value != 0;
      return;
  }
}

double load(const Tensor& tensor, int64_t i) {
  switch (tensor.type()) {
    case DataType::f32:
      return tensor.as<float>()[i];
    case DataType::f64:
      return tensor.as<double>()[i];
    case DataType::i64:
      return static_cast<double>(tensor.as<int64_t>()[i]);
    case DataType::i32:
      return tensor.as<int32_t>()[i];
    case DataType::i8:
      return tensor.as<int8_t>()[i];
    case DataType::u8:
      return tensor.as<uint8_t>()[i];
    case DataType::boolean:
      return tensor.as<bool>()[i];
  }
  return 0;
}

}  // namespace

Tensor whole(DataType type, const Shape& shape, int64_t low, int64_t high) {
  if (type == DataType::u8) low = std::max<int64_t>(low, 0);
  return filled(type, shape, [&](const Shape&) { return static_cast<double>(pick(low, high)); });
}

Tensor normal(const Shape& shape) {
  std::normal_distribution<double> distribution;
  return filled(DataType::f32, shape, [&](const Shape&) { return distribution(generator()); });
}

void for_each(const Shape& shape, const std::function<void(const Shape& index)>& f) {
  Shape index(shape.size(), 0);
  const int64_t count = element_count(shape);
  for (int64_t i = 0; i < count; ++i) {
    f(index);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

int64_t offset(const Shape& shape, const Shape& index) {
  int64_t flat = 0;
  for (size_t d = 0; d < shape.size(); ++d) flat = flat * shape[d] + index.at(d);
  return flat;
}

double at(const Tensor& tensor, const Shape& index) { return load(tensor, offset(tensor.shape(), index)); }

Tensor filled(DataType type, const Shape& shape, const std::function<double(const Shape& index)>& f) {
  Tensor tensor(type, shape);
  int64_t i = 0;
  for_each(shape, [&](const Shape& index) { store(tensor, i++, f(index)); });
  return tensor;
}

void expect_near(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.type(), expected.type());
  ASSERT_EQ(actual.shape(), expected.shape());
  for (int64_t i = 0; i < element_count(expected.shape()); ++i) {
    const double a = load(actual, i), e = load(expected, i);
    if (std::isnan(a) && std::isnan(e)) continue;
    if (a == e) continue;
    ASSERT_LE(std::fabs(a - e), tolerance * (1 + std::fabs(e)))
        << "element " << i << " of shape " << to_string(expected.shape()) << ": " << a << " instead of " << e;
  }
}

}  // namespace altrt::ops::testing
