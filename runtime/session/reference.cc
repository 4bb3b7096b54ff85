// evaluate_reference and version.
#include <altrt/error.h>
#include <altrt/session.h>

#include <utility>

#include "jit/compile/devices.h"
#include "runtime/base/build_info.h"
#include "runtime/base/float_environment.h"
#include "runtime/graph/graph.h"
#include "runtime/session/providers.h"
#include "runtime/session/stages.h"
#include "runtime/session/state.h"

namespace altrt {

std::string version() { return base::build_info().version; }

std::string version_details() {
  const base::BuildInfo info = base::build_info();
  const std::string nvrtc = jit::code_generator(jit::named_target("sm_80")).second;
  return std::string("altrt ") + info.version + ", commit " + info.commit + ", LLVM " + info.llvm + ", oneDNN " +
         session::provider_version("onednn") + ", NVRTC " + (nvrtc.empty() ? "none" : nvrtc) + ", " + info.compiler +
         ", " + jit::to_string(jit::host_target());
}

std::map<std::string, Tensor> evaluate_reference(const Model& model, const std::map<std::string, TensorView>& inputs,
                                                 const std::vector<CustomOperator>& operators) {
  const base::FloatEnvironment float_environment;
  const graph::Graph original = session::graph_of(model, operators);
  std::map<std::string, Shape> shapes;
  for (const auto& [name, view] : inputs) shapes[name] = view.shape;
  for (const ValueInfo& info : model.inputs()) {
    if (!shapes.contains(info.name)) {
      throw Error(ErrorCode::invalid_argument, "input '" + info.name + "' of " + model.name() + " is not given");
    }
  }
  const graph::Graph graph = graph::infer_and_fold(graph::fix_shapes(original, shapes, {}));
  std::vector<TensorView> views;
  for (const int number : graph.inputs) {
    const graph::Value& value = graph.values[static_cast<size_t>(number)];
    const TensorView& view = inputs.at(value.name);
    session::check_view(view, {value.name, value.type, value.shape, {}},
                        "input '" + value.name + "' of " + model.name(), false);
    views.push_back(view);
  }
  std::vector<Tensor> results = graph::evaluate(graph, views);
  std::map<std::string, Tensor> outputs;
  for (size_t i = 0; i < results.size(); ++i) {
    outputs[original.values[static_cast<size_t>(original.outputs[i])].name] = std::move(results[i]);
  }
  return outputs;
}

}  // namespace altrt
