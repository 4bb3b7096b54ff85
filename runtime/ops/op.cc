#include "runtime/ops/op.h"

#include "runtime/ops/implementations.h"

namespace altrt {
namespace {

template <typename T>
std::vector<int64_t> widen(const Tensor& data) {
  const T* values = data.as<T>();
  return std::vector<int64_t>(values, values + element_count(data.shape()));
}

const Attribute* find_attribute(const NodeInfo& node, const std::string& name) {
  if (!node.attributes) return nullptr;
  auto it = node.attributes->values.find(name);
  return it == node.attributes->values.end() ? nullptr : &it->second;
}

const Attribute* find_attribute(const NodeInfo& node, const std::string& name, Attribute::Kind kind,
                                const char* expected) {
  const Attribute* attribute = find_attribute(node, name);
  if (attribute && attribute->kind != kind) node.fail("attribute '" + name + "' is not " + expected);
  return attribute;
}

}  // namespace

std::vector<int64_t> Operand::integers() const {
  if (!data) throw Error(ErrorCode::internal, "an operand's value was asked for, but is not known");
  switch (type) {
    case DataType::i64:
      return widen<int64_t>(*data);
    case DataType::i32:
      return widen<int32_t>(*data);
    case DataType::i8:
      return widen<int8_t>(*data);
    case DataType::u8:
      return widen<uint8_t>(*data);
    case DataType::boolean:
      return widen<bool>(*data);
    default:
      throw Error(ErrorCode::internal, "an operand's value was asked for as integers, but it holds floats");
  }
}

const Operand& NodeInfo::input(int i) const {
  if (!has_input(i)) fail("input " + std::to_string(i) + " is missing");
  return *inputs[i];
}

std::vector<int64_t> NodeInfo::constant_input(int i, const char* name) const {
  const Operand& operand = input(i);
  if (operand.type != DataType::i64 && operand.type != DataType::i32) {
    fail(std::string("input '") + name + "' is " + to_string(operand.type) + ", not i64 or i32");
  }
  if (!operand.data) fail(std::string("input '") + name + "' is not known at load", ErrorCode::unsupported);
  return operand.integers();
}

bool NodeInfo::has_attribute(const std::string& name) const {
  return find_attribute(*this, name) != nullptr || tensor(name) != nullptr;
}

int64_t NodeInfo::integer(const std::string& name) const {
  const Attribute* attribute = find_attribute(*this, name, Attribute::Kind::integer, "an integer");
  if (!attribute) fail("attribute '" + name + "' is missing");
  return attribute->integer;
}

int64_t NodeInfo::integer(const std::string& name, int64_t otherwise) const {
  const Attribute* attribute = find_attribute(*this, name, Attribute::Kind::integer, "an integer");
  return attribute ? attribute->integer : otherwise;
}

float NodeInfo::real(const std::string& name, float otherwise) const {
  const Attribute* attribute = find_attribute(*this, name, Attribute::Kind::real, "a float");
  return attribute ? attribute->real : otherwise;
}

std::string NodeInfo::text(const std::string& name, const std::string& otherwise) const {
  const Attribute* attribute = find_attribute(*this, name, Attribute::Kind::text, "a string");
  return attribute ? attribute->text : otherwise;
}

std::vector<int64_t> NodeInfo::integers(const std::string& name) const {
  const Attribute* attribute = find_attribute(*this, name, Attribute::Kind::integers, "a list of integers");
  if (!attribute) fail("attribute '" + name + "' is missing");
  return attribute->integers;
}

std::vector<int64_t> NodeInfo::integers(const std::string& name, const std::vector<int64_t>& otherwise) const {
  const Attribute* attribute = find_attribute(*this, name, Attribute::Kind::integers, "a list of integers");
  return attribute ? attribute->integers : otherwise;
}

std::vector<float> NodeInfo::reals(const std::string& name, const std::vector<float>& otherwise) const {
  const Attribute* attribute = find_attribute(*this, name, Attribute::Kind::reals, "a list of floats");
  return attribute ? attribute->reals : otherwise;
}

const Tensor* NodeInfo::tensor(const std::string& name) const {
  if (!attributes) return nullptr;
  auto it = attributes->tensors.find(name);
  return it == attributes->tensors.end() ? nullptr : it->second.get();
}

int64_t NodeInfo::axis(int64_t value, size_t rank) const {
  const int64_t dimensions = static_cast<int64_t>(rank);
  if (value < -dimensions || value >= dimensions) {
    fail("axis " + std::to_string(value) + " is outside of [-" + std::to_string(rank) + ", " + std::to_string(rank) +
         ")");
  }
  return value < 0 ? value + dimensions : value;
}

void NodeInfo::fail(const std::string& message, ErrorCode code) const { throw Error(code, where + ": " + message); }

}  // namespace altrt

namespace altrt::ops {

std::span<const OpDef> all_ops() {
#define ALTRT_OP(domain, type, min_opset, max_opset, pattern) \
  OpDef{domain, #type, min_opset, max_opset, Pattern::pattern, k##type.infer, k##type.build, k##type.host},
  static const std::vector<OpDef> table = {
#include "runtime/ops/ops.def"
  };
#undef ALTRT_OP
  return table;
}

std::vector<ResultType> infer(const OpDef& op, const NodeInfo& node) {
  std::vector<ResultType> results = op.infer(node);
  if (static_cast<int>(results.size()) < node.outputs) {
    node.fail("has " + std::to_string(node.outputs) + " outputs, the operator has " + std::to_string(results.size()));
  }
  return results;
}

namespace {

/// The default domain has two names.
std::string_view canonical(std::string_view domain) { return domain == "ai.onnx" ? std::string_view() : domain; }

}  // namespace

const OpDef* find_op(std::string_view domain, std::string_view type, int opset) {
  for (const OpDef& op : all_ops()) {
    if (canonical(domain) == op.domain && type == op.type && opset >= op.min_opset && opset <= op.max_opset) return &op;
  }
  return nullptr;
}

std::string why_unsupported(std::string_view domain, std::string_view type, int opset) {
  std::string ranges;
  for (const OpDef& op : all_ops()) {
    if (canonical(domain) != op.domain || type != op.type) continue;
    if (opset >= op.min_opset && opset <= op.max_opset) return "";
    if (!ranges.empty()) ranges += ", ";
    ranges += std::to_string(op.min_opset) + " to " + std::to_string(op.max_opset);
  }
  if (ranges.empty()) return "no such operator in this build";
  return "opset " + std::to_string(opset) + " is not supported, only " + ranges;
}

}  // namespace altrt::ops
