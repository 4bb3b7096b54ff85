// Models: read from ONNX, or built in memory with GraphBuilder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <altrt/export.h>
#include <altrt/tensor.h>

namespace altrt {

namespace graph {
struct Graph;
}
struct CustomOperator;

/// A model's input or output as its file declares it.
struct ValueInfo {
  std::string name;
  DataType type = DataType::f32;
  /// One entry per dimension: an extent, or -1 for a symbolic one whose name is in `symbols` (empty name = unnamed).
  Shape shape;
  std::vector<std::string> symbols;
};

/// One operator kind in a model and whether this build can run it.
struct OperatorCount {
  std::string domain;  ///< "" for ai.onnx
  std::string type;    ///< "Conv"
  int count = 0;
  bool supported = false;
  std::string reason;  ///< why not, when not supported
};

/// An immutable model: graph and weights. Cheap to copy (shared); every call is thread-safe. A model file is untrusted
/// data: any byte string ends in a model or in an Error.
class ALTRT_API Model {
 public:
  /// Reads an ONNX file. External data is read only from inside the file's own folder (no links that leave it, no
  /// ".."). Error(io | invalid_model | unsupported | out_of_memory) names file, node and field; all operators that are
  /// missing are named in one message with their counts, when a Session is made (so that `operators()` can list them).
  ///
  /// Large weights are read when a session needs them. Until then the file may be renamed, replaced or removed, but who
  /// writes into it makes what needs them throw Error(io).
  static Model load(const std::string& path);
  /// Reads ONNX bytes, which are copied as needed. External data is refused unless `external_data_folder` is given.
  /// `name` stands for the file in messages.
  static Model load(const void* data, size_t size, const std::string& external_data_folder = "",
                    const std::string& name = "<memory>");

  const std::string& name() const;
  std::vector<ValueInfo> inputs() const;
  std::vector<ValueInfo> outputs() const;
  std::vector<OperatorCount> operators() const;
  /// The same where the session has these operators too (SessionOptions::operators). Error(invalid_argument) as there.
  std::vector<OperatorCount> operators(const std::vector<CustomOperator>& custom) const;
  /// Writes the model as an ONNX file (weights inside). Error(io).
  void save(const std::string& path) const;

  /// For the library itself.
  explicit Model(std::shared_ptr<const graph::Graph> graph);
  const graph::Graph& graph() const { return *graph_; }
  std::shared_ptr<const graph::Graph> shared_graph() const { return graph_; }

 private:
  std::shared_ptr<const graph::Graph> graph_;
};

/// An attribute of an operator: integer, float, string, or a list of integers or floats.
struct ALTRT_API Attribute {
  enum class Kind : uint8_t { integer, real, text, integers, reals } kind = Kind::integer;
  int64_t integer = 0;
  float real = 0;
  std::string text;
  std::vector<int64_t> integers;
  std::vector<float> reals;

  Attribute(int64_t value) : kind(Kind::integer), integer(value) {}                            // NOLINT
  Attribute(int value) : Attribute(static_cast<int64_t>(value)) {}                             // NOLINT
  Attribute(float value) : kind(Kind::real), real(value) {}                                    // NOLINT
  Attribute(const char* value) : kind(Kind::text), text(value) {}                              // NOLINT
  Attribute(std::string value) : kind(Kind::text), text(std::move(value)) {}                   // NOLINT
  Attribute(std::vector<int64_t> value) : kind(Kind::integers), integers(std::move(value)) {}  // NOLINT
  Attribute(std::vector<float> value) : kind(Kind::reals), reals(std::move(value)) {}          // NOLINT
};
using AttributeMap = std::map<std::string, Attribute>;

/// Builds a Model operator by operator, without a file. Values are names; ONNX operator semantics at opset 17. Not
/// thread-safe.
///
///     GraphBuilder b("net");
///     b.input("x", DataType::f32, {1, 3, 224, 224});
///     auto w = b.constant("w", weights);
///     auto y = b.op("Conv", {"x", w}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
///     b.output(b.op("Relu", {y}));
///     Model model = b.build();
class ALTRT_API GraphBuilder {
 public:
  explicit GraphBuilder(std::string name);
  ~GraphBuilder();
  GraphBuilder(const GraphBuilder&) = delete;
  GraphBuilder& operator=(const GraphBuilder&) = delete;

  /// Declares an input; -1 makes a dimension symbolic, named by `symbols` at that position. Returns the name.
  std::string input(const std::string& name, DataType type, const Shape& shape, std::vector<std::string> symbols = {});
  /// Adds a weight (the data is moved in). Returns the name.
  std::string constant(const std::string& name, Tensor value);
  /// Adds an operator with one output and returns its name (made from `type` if `output` is empty). An empty input name
  /// = an absent optional input. "example::Gate" = the type Gate of the domain example, in its opset 1.
  std::string op(const std::string& type, const std::vector<std::string>& inputs, const AttributeMap& attributes = {},
                 const std::string& output = "");
  /// As op, for several outputs.
  std::vector<std::string> op_n(const std::string& type, const std::vector<std::string>& inputs, int outputs,
                                const AttributeMap& attributes = {});
  void output(const std::string& name);
  /// Checks names, cycles and types; Error(invalid_model) names the node. The builder is empty afterwards. Operators
  /// that the library lacks are checked when a session is made, or now where they are given. The model does not keep
  /// them.
  Model build();
  Model build(const std::vector<CustomOperator>& operators);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace altrt
