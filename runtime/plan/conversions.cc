#include "runtime/plan/conversions.h"

#include <altrt/error.h>

#include <utility>

namespace altrt::plan {
namespace {

// to[i...] = from[i...]
jit::Computation copy(DataType type, const std::vector<int64_t>& shape) {
  jit::Computation c;
  c.name = "convert";
  const std::vector<jit::Extent> extents(shape.begin(), shape.end());
  c.add_tensor({"from", type, extents, jit::Role::input});
  c.add_tensor({"to", type, extents, jit::Role::output});
  jit::Stage stage;
  stage.name = "copy";
  for (size_t d = 0; d < shape.size(); ++d) stage.axes.push_back({"x" + std::to_string(d), extents[d]});
  stage.outputs = {1};
  stage.store = jit::variables(stage.axes);
  stage.results = {jit::access(0, type, jit::variables(stage.axes))};
  c.stages.push_back(std::move(stage));
  return c;
}

jit::CompiledKernel compile(const jit::Computation& c, const jit::Layout& from, const jit::Layout& to,
                            const jit::Target& target, const std::string& name) {
  jit::GroupDecision decision;
  if (!from.is_plain()) decision.layouts["from"] = from;
  if (!to.is_plain()) decision.layouts["to"] = to;
  decision.schedule = jit::default_schedule(c, decision.layouts, target);
  const auto make = [&] { return std::move(jit::compile(c, decision, target, name).kernels.at(0)); };
  try {
    return make();
  } catch (const Error& error) {
    // A schedule that does not fit these layouts: plain loops do.
    if (error.code() != ErrorCode::invalid_argument && error.code() != ErrorCode::unsupported) throw;
  }
  decision.schedule = {};
  return make();
}

bool is_conversion(const jit::CompiledKernel& kernel) {
  const bool forward = kernel.arguments == std::vector<int>{0, 1};
  if (!forward && kernel.arguments != std::vector<int>{1, 0}) return false;
  return kernel.written == std::vector<bool>{!forward, forward} && !kernel.object.bytes.empty() && !kernel.constant;
}

}  // namespace

bool Conversions::keep(const std::string& key, jit::CompiledKernel kernel) {
  if (!is_conversion(kernel)) return false;
  all_[key] = {std::move(kernel), nullptr};
  return true;
}

const Conversion& Conversions::get(DataType type, const std::vector<int64_t>& shape, const jit::Layout& from,
                                   const jit::Layout& to) {
  const std::string key =
      std::string(to_string(type)) + altrt::to_string(shape) + " " + jit::to_string(from) + " -> " + jit::to_string(to);
  auto found = all_.find(key);
  if (found == all_.end()) {
    const std::string name = "altrt_convert" + std::to_string(all_.size());
    Conversion made{compile(copy(type, shape), from, to, device_->target(), name), nullptr};
    if (!is_conversion(made.kernel)) throw Error(ErrorCode::internal, "plan: '" + key + "' is more than one kernel");
    found = all_.emplace(key, std::move(made)).first;
    ++compiled_;
  }
  Conversion& conversion = found->second;
  if (!conversion.loaded) conversion.loaded = device_->load({conversion.kernel.object}).at(0);
  return conversion;
}

}  // namespace altrt::plan
