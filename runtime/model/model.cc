#include <altrt/error.h>
#include <altrt/model.h>
#include <altrt/operator.h>

#include <new>
#include <string_view>
#include <utility>

#include "runtime/base/float_environment.h"
#include "runtime/graph/graph.h"
#include "runtime/model/model_file.h"
#include "runtime/model/onnx_reader.h"
#include "runtime/model/onnx_writer.h"

namespace altrt {

namespace {

std::vector<ValueInfo> value_infos(const graph::Graph& graph, const std::vector<int>& numbers) {
  std::vector<ValueInfo> result;
  for (const int number : numbers) {
    const graph::Value& value = graph.values[number];
    ValueInfo info;
    info.name = value.name;
    info.type = value.type;
    info.shape = value.shape;
    info.symbols = value.symbols;
    info.symbols.resize(value.shape.size());
    result.push_back(std::move(info));
  }
  return result;
}

// `source`: bytes or a ModelFile.
template <typename Source>
Model read(const Source& source, const std::string& name, const std::string& external_data_folder) {
  const base::FloatEnvironment float_environment;
  try {
    return Model(std::make_shared<const graph::Graph>(model::read_onnx(source, name, external_data_folder)));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, name + ": no memory for the model");
  }
}

}  // namespace

Model::Model(std::shared_ptr<const graph::Graph> graph) : graph_(std::move(graph)) {
  if (!graph_) throw Error(ErrorCode::invalid_argument, "a model needs a graph");
}

Model Model::load(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  return read(model::ModelFile::open(path, model::kMaxModelBytes), name, folder);
}

Model Model::load(const void* data, size_t size, const std::string& external_data_folder, const std::string& name) {
  if (!data && size > 0) throw Error(ErrorCode::invalid_argument, name + ": null data");
  if (size > model::kMaxModelBytes) {
    throw Error(ErrorCode::out_of_memory, name + ": more than the 2 GiB of an ONNX file");
  }
  const std::string_view bytes(static_cast<const char*>(data), size);
  return read(bytes, name, external_data_folder);
}

const std::string& Model::name() const { return graph_->name; }
std::vector<ValueInfo> Model::inputs() const { return value_infos(*graph_, graph_->inputs); }
std::vector<ValueInfo> Model::outputs() const { return value_infos(*graph_, graph_->outputs); }
std::vector<OperatorCount> Model::operators() const { return graph::operator_counts(*graph_); }

std::vector<OperatorCount> Model::operators(const std::vector<CustomOperator>& custom) const {
  graph::Graph graph = *graph_;
  graph.operators = ops::custom_operators(custom);
  return graph::operator_counts(graph);
}
void Model::save(const std::string& path) const { model::write_file(path, model::write_onnx(*graph_)); }

}  // namespace altrt
