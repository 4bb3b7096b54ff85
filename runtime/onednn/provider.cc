// The plug-in's entry: oneDNN as a provider.
#include <mutex>
#include <utility>

#include <altrt/error.h>

#include "jit/kernel/provider.h"
#include "runtime/base/cpu_info.h"
#include "runtime/onednn/build.h"

namespace altrt::onednn {
namespace {

class OneDnn : public jit::Provider {
 public:
  OneDnn() : engine_(dnnl::engine::kind::cpu, 0) {
    // Where the features are limited for libaltrt, they are for its plug-in. A host that has run oneDNN before keeps
    // its own limit.
    if (!base::cpu_info().features.avx512f) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
  }

  std::string name() const override { return "onednn"; }

  std::string version() const override {
    const dnnl_version_t* version = dnnl_version();
    return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
  }

  std::string layouts(const jit::Computation& c, int parts) const override {
    const std::optional<Match> found = match(c);
    if (!found) return {};
    Built built;
    try {
      built = build(*found, parts, engine_);
    } catch (const Error&) {
      return {};
    }
    std::string text;
    const auto add = [&](int tensor, const jit::Layout& layout) {
      text += c.tensors[static_cast<size_t>(tensor)].name + " = " + jit::to_string(layout) + "\n";
    };
    add(found->data, built.data);
    add(found->weights, built.weights);
    add(found->output, built.output);
    for (const Epilogue& step : found->epilogue) {
      if (step.kind == Epilogue::Kind::residual && step.tensor != found->data) add(step.tensor, built.output);
      if (step.kind == Epilogue::Kind::bias) add(step.tensor, {});
    }
    return text;
  }

  std::shared_ptr<jit::ProviderKernel> make(const jit::Computation& c, int parts) const override {
    const std::optional<Match> found = match(c);
    if (!found) throw Error(ErrorCode::unsupported, "oneDNN: group '" + c.name + "' is none that it computes");
    Built built = build(*found, parts, engine_);
    std::vector<int> arguments{found->data, found->weights};
    std::vector<Operand> operands{kSource, kWeights};
    for (const Epilogue& step : found->epilogue) {
      if (step.kind == Epilogue::Kind::clip) continue;
      arguments.push_back(step.tensor);
      operands.push_back(step.kind == Epilogue::Kind::bias ? kBias : kResidual);
    }
    arguments.push_back(found->output);
    operands.push_back(kDestination);
    return std::make_shared<Kernel>(engine_, std::move(built.primitives), std::move(built.tasks), std::move(arguments),
                                    std::move(operands));
  }

 private:
  dnnl::engine engine_;
};

}  // namespace
}  // namespace altrt::onednn

extern "C" __attribute__((visibility("default"))) altrt::jit::Provider* altrt_create_provider() {
  return new altrt::onednn::OneDnn();
}
