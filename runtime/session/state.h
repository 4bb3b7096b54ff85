// What is behind Session and Context.
#pragma once

#include <altrt/session.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/team.h"
#include "runtime/plan/plan.h"
#include "runtime/plan/runner.h"
#include "runtime/plan/weights.h"
#include "runtime/session/options.h"

namespace altrt {

namespace session {

/// A session's inputs and outputs; every context of the session refers to the same one.
struct Interface {
  std::string model;  // for messages
  std::vector<ValueInfo> inputs, outputs;
  bool on_device = false;  // where the session runs
};

/// Number of the value with this name; -1 if there is none.
int find(const std::vector<ValueInfo>& values, const std::string& name);

/// Error(invalid_argument) names the value ("input 'x' of resnet18.onnx"), what is expected and what was given. The
/// device's memory is refused where nobody is `on_device`.
void check_view(const TensorView& view, const ValueInfo& expected, const std::string& what, bool on_device);

}  // namespace session

struct Context::State {
  State(std::shared_ptr<const session::Interface> interface_in, std::shared_ptr<const plan::Plan> plan, int threads);

  std::shared_ptr<const session::Interface> interface;
  std::unique_ptr<plan::Runner> runner;
  std::vector<std::optional<TensorView>> inputs, outputs;  // as bound
  std::vector<Tensor> own_outputs;                         // of those that are not bound; made when first needed
  bool changed = true;                                     // bindings that `runner` has not seen

  TensorView output(size_t number);
  /// Tells `runner` of the bindings. Error(invalid_argument) if an input is missing or an output overlaps another
  /// tensor.
  void apply_bindings();
  void unbind();
};

struct Session::State {
  explicit State(const SessionOptions& options_in);
  ~State();

  /// A context for one call of the convenience form: an idle one or a new one.
  std::unique_ptr<Context::State> take_context() const;
  void give_back(std::unique_ptr<Context::State> context) const;
  /// Error(invalid_argument) unless the context was made by this session or a copy of it.
  void check(const Context::State* context) const;
  base::Team::Lease lease() const {
    return base::Team::Lease(team, options.concurrency == Concurrency::queue && !machine.device);
  }

  session::Machine machine;
  SessionOptions options;
  mutable base::Team team;
  std::shared_ptr<const session::Interface> interface;
  std::shared_ptr<const plan::Plan> plan;
  std::shared_ptr<plan::WeightStore> weights;  // kept for later sessions of the model
  std::string graph_text;
  SessionInfo info;

 private:
  // Contexts between calls of the convenience form: so many callers at once find one. No lock, which a forked child
  // would find taken for ever if a thread of its parent held it.
  mutable std::array<std::atomic<Context::State*>, 8> idle_{};
};

}  // namespace altrt
