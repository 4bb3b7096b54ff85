#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/graph/uses.h"

namespace altrt::graph {

namespace {

// A batch normalisation in inference: y = scale[c] * x + offset[c].
struct Affine {
  std::vector<double> scale, offset;
};

double element(const Tensor& tensor, int64_t i) {
  return tensor.type() == DataType::f64 ? tensor.as<double>()[i] : static_cast<double>(tensor.as<float>()[i]);
}

void set_element(Tensor& tensor, int64_t i, double value) {
  if (tensor.type() == DataType::f64) {
    tensor.as<double>()[i] = value;
  } else {
    tensor.as<float>()[i] = static_cast<float>(value);
  }
}

bool is_real(DataType type) { return type == DataType::f32 || type == DataType::f64; }

int64_t integer(const Node& node, const char* name, int64_t otherwise) {
  const auto found = node.attributes.values.find(name);
  return found == node.attributes.values.end() ? otherwise : found->second.integer;
}

double real(const Node& node, const char* name, float otherwise) {
  const auto found = node.attributes.values.find(name);
  return found == node.attributes.values.end() ? otherwise : found->second.real;
}

class BatchNormFolding {
 public:
  explicit BatchNormFolding(Graph& graph) : graph_(graph), uses_(graph) {
    for (const Value& value : graph.values) names_.insert(value.name);
  }

  void run() {
    std::vector<Node> old = std::move(graph_.nodes);
    graph_.nodes.clear();
    made_by_.assign(graph_.values.size(), -1);
    for (Node& node : old) {
      Affine affine;
      if (!read(node, affine)) {
        push(std::move(node));
      } else if (!into_weights(node, affine)) {
        add_mul_and_add(node, affine);
      }
    }
  }

 private:
  const Value& value(int number) const { return graph_.values[number]; }

  bool read(const Node& node, Affine& affine) const {
    if (node.type != "BatchNormalization" || !node.domain.empty() || node.inputs.size() != 5) return false;
    if (integer(node, "training_mode", 0) != 0) return false;
    for (size_t i = 1; i < node.outputs.size(); ++i) {
      if (node.outputs[i] >= 0) return false;
    }
    const Value& x = value(node.inputs[0]);
    if (!x.shape_known || x.shape.size() < 2 || !is_real(x.type)) return false;
    for (int i = 1; i < 5; ++i) {
      if (node.inputs[i] < 0) return false;
      const Value& parameter = value(node.inputs[i]);
      if (!parameter.is_constant() || !is_real(parameter.type) || parameter.shape != Shape{x.shape[1]}) return false;
    }
    const double epsilon = real(node, "epsilon", 1e-5f);
    for (int64_t c = 0; c < x.shape[1]; ++c) {
      const auto parameter = [&](int i) { return element(*value(node.inputs[i]).data, c); };
      affine.scale.push_back(parameter(1) / std::sqrt(parameter(4) + epsilon));
      affine.offset.push_back(parameter(2) - parameter(3) * affine.scale.back());
    }
    return true;
  }

  void push(Node node) {
    for (const int output : node.outputs) {
      if (output >= 0) made_by_[output] = static_cast<int>(graph_.nodes.size());
    }
    graph_.nodes.push_back(std::move(node));
  }

  std::string fresh_name(const std::string& wish) {
    std::string name = wish;
    for (int i = 2; !names_.insert(name).second; ++i) name = wish + "_" + std::to_string(i);
    return name;
  }

  int add_value(const std::string& name, DataType type, Shape shape, std::shared_ptr<const Tensor> data) {
    Value added;
    added.name = fresh_name(name);
    added.type = type;
    added.symbols.assign(shape.size(), "");
    added.shape = std::move(shape);
    added.shape_known = true;
    added.data = std::move(data);
    graph_.values.push_back(std::move(added));
    made_by_.push_back(-1);
    return static_cast<int>(graph_.values.size()) - 1;
  }

  // A constant like `like` whose elements are made by `f(element, index)`.
  int scaled_copy(int like, const std::string& name, const std::function<double(double, int64_t)>& f) {
    auto data = std::make_shared<Tensor>(*value(like).data);
    for (int64_t i = 0, count = element_count(data->shape()); i < count; ++i)
      set_element(*data, i, f(element(*data, i), i));
    const DataType type = data->type();
    const Shape shape = data->shape();
    return add_value(name, type, shape, std::move(data));
  }

  int vector_constant(const std::string& name, DataType type, const Shape& shape, const std::vector<double>& elements) {
    auto data = std::make_shared<Tensor>(type, shape);
    for (size_t i = 0; i < elements.size(); ++i) set_element(*data, static_cast<int64_t>(i), elements[i]);
    return add_value(name, type, shape, std::move(data));
  }

  // The constant weights' new values where the producer of x is linear with an output channel along dimension 1 of x.
  bool into_weights(const Node& norm, const Affine& affine) {
    const int x = norm.inputs[0];
    if (made_by_[x] < 0 || uses_.is_output[x] || uses_.readers[x].size() != 1) return false;
    Node& node = graph_.nodes[made_by_[x]];
    if (!node.domain.empty() || node.outputs.size() != 1 || node.inputs.size() < 2) return false;
    if (node.inputs[1] < 0 || !value(node.inputs[1]).is_constant() || !is_real(value(node.inputs[1]).type))
      return false;
    if (node.inputs.size() > 2 && node.inputs[2] >= 0 && !value(node.inputs[2]).is_constant()) return false;
    const Shape weights = value(node.inputs[1]).shape;
    const auto channels = static_cast<int64_t>(affine.scale.size());

    std::function<int64_t(int64_t)> channel;  // of a weight
    double alpha = 1, beta = 1;
    if (node.type == "Conv") {
      const int64_t inner = channels ? element_count(weights) / channels : 1;
      channel = [inner](int64_t i) { return i / inner; };
    } else if (node.type == "ConvTranspose") {
      const int64_t groups = integer(node, "group", 1);
      const int64_t kernel = element_count(Shape(weights.begin() + 2, weights.end()));
      const int64_t rows = weights[0] / groups, columns = weights[1];  // input and output channels of a group
      channel = [=](int64_t i) { return i / kernel / columns / rows * columns + i / kernel % columns; };
    } else if ((node.type == "Gemm" || node.type == "MatMul") && value(x).shape.size() == 2 && weights.size() == 2) {
      const bool transposed = node.type == "Gemm" && integer(node, "transB", 0) != 0;
      const int64_t inner = weights[1];
      channel = [=](int64_t i) { return transposed ? i / inner : i % inner; };
      if (node.type == "Gemm") {
        alpha = real(node, "alpha", 1);
        beta = real(node, "beta", 1);
      }
    } else {
      return false;
    }
    std::vector<double> bias(affine.scale.size(), 0.0);
    if (node.inputs.size() > 2 && node.inputs[2] >= 0 && !read_bias(value(node.inputs[2]), beta, bias)) return false;
    rewrite(norm, node, affine, channel, alpha, bias);
    return true;
  }

  // A bias that is one number or one a channel, along the last dimension.
  static bool read_bias(const Value& constant, double beta, std::vector<double>& bias) {
    const int64_t count = element_count(constant.shape);
    const auto channels = static_cast<int64_t>(bias.size());
    if (!is_real(constant.type) || (count != 1 && (count != channels || constant.shape.back() != channels)))
      return false;
    for (int64_t c = 0; c < channels; ++c) bias[c] = beta * element(*constant.data, count == 1 ? 0 : c);
    return true;
  }

  void rewrite(const Node& norm, Node& node, const Affine& affine, const std::function<int64_t(int64_t)>& channel,
               double alpha, std::vector<double> bias) {
    const Value& weights = value(node.inputs[1]);
    const DataType type = weights.type;
    const int folded = scaled_copy(node.inputs[1], weights.name + "_bn", [&](double element, int64_t i) {
      return element * alpha * affine.scale[channel(i)];
    });
    for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * affine.scale[c] + affine.offset[c];
    const auto channels = static_cast<int64_t>(bias.size());
    const std::string bias_name = value(norm.outputs[0]).name + "_bias";
    const int bias_value = vector_constant(bias_name, type, {channels}, bias);
    node.inputs[1] = folded;
    node.attributes.values.erase("alpha");
    node.attributes.values.erase("beta");
    if (node.type == "MatMul") {  // has no bias of its own
      Node add;
      add.name = norm.name;
      add.type = "Add";
      add.inputs = {node.outputs[0], bias_value};
      add.outputs = {norm.outputs[0]};
      push(std::move(add));
      return;
    }
    node.inputs.resize(3, -1);
    node.inputs[2] = bias_value;
    // The producer keeps its place: the normalisation was the only reader of what it made.
    made_by_[norm.outputs[0]] = made_by_[node.outputs[0]];
    node.outputs[0] = norm.outputs[0];
  }

  void add_mul_and_add(const Node& norm, const Affine& affine) {
    const Value x = value(norm.inputs[0]);
    const std::string name = value(norm.outputs[0]).name;
    Shape shape(x.shape.size() - 1, 1);
    shape[0] = x.shape[1];
    const int scale = vector_constant(name + "_scale", x.type, shape, affine.scale);
    const int offset = vector_constant(name + "_offset", x.type, shape, affine.offset);
    const int scaled = add_value(name + "_scaled", x.type, x.shape, nullptr);
    Node mul, add;
    mul.name = norm.name.empty() ? norm.name : norm.name + "_mul";
    mul.type = "Mul";
    mul.inputs = {norm.inputs[0], scale};
    mul.outputs = {scaled};
    add.name = norm.name;
    add.type = "Add";
    add.inputs = {scaled, offset};
    add.outputs = {norm.outputs[0]};
    push(std::move(mul));
    push(std::move(add));
  }

  Graph& graph_;
  const Uses uses_;
  std::unordered_set<std::string> names_;
  std::vector<int> made_by_;  // value -> place of its producer in the new list
};

}  // namespace

Graph fold_batch_norm(Graph graph) {
  BatchNormFolding(graph).run();
  return graph;
}

}  // namespace altrt::graph
