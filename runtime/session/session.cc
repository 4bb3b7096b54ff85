#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/base/buffer.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/base/trace.h"
#include "runtime/graph/content_hash.h"
#include "runtime/graph/graph.h"
#include "runtime/plan/build.h"
#include "runtime/session/cache.h"
#include "runtime/session/hand_made.h"
#include "runtime/session/inspect.h"
#include "runtime/session/options.h"
#include "runtime/session/stages.h"
#include "runtime/session/state.h"

namespace altrt {
namespace {

// Names as the model gives them, types and shapes as the simplified graph has them.
std::vector<ValueInfo> describe(const graph::Graph& model, const std::vector<int>& names, const graph::Graph& graph,
                                const std::vector<int>& values) {
  std::vector<ValueInfo> infos;
  for (size_t i = 0; i < names.size(); ++i) {
    const graph::Value& value = graph.values[static_cast<size_t>(values.at(i))];
    infos.push_back({model.values[static_cast<size_t>(names[i])].name, value.type, value.shape,
                     std::vector<std::string>(value.shape.size())});
  }
  return infos;
}

// What constants of a simplified graph depend on beside the model: shapes, and operators of the user's own.
std::string variant_of(const graph::Graph& graph, const std::vector<ValueInfo>& inputs) {
  std::string text;
  for (const ValueInfo& value : inputs) text += value.name + to_string(value.shape) + " ";
  return graph.definitions == 0 ? text : text + base::hex(graph.definitions);
}

// For the first object of a scope: what the others freed goes back to the system.
struct ReleaseAtEnd {
  bool wanted;
  ~ReleaseAtEnd() {
    if (wanted) base::release_free_memory();
  }
};

}  // namespace

Session::State::State(const SessionOptions& options_in)
    : machine(session::open_machine(options_in)),
      options(options_in),
      team(session::thread_count(options_in), options_in.spin_microseconds) {
  info.threads = team.threads();
  if (!machine.device) return;
  options.providers = {"own"};
  info.device = Device::cuda;
  info.device_name = machine.device->description();
}

Session::State::~State() {
  for (std::atomic<Context::State*>& slot : idle_) delete slot.load(std::memory_order_acquire);
}

Session::Session(const Model& model, const SessionOptions& options) {
  const ReleaseAtEnd release{options.memory == Memory::lean};
  const base::LogScope log_scope = session::log_to(options);
  const base::FloatEnvironment float_environment;  // constants are folded and packed here
  session::check_options(options, model);
  auto state = std::make_shared<State>(options);
  const session::Machine& machine = state->machine;

  const base::Stopwatch whole;
  base::Stopwatch watch;
  graph::hash_deferred(model.graph(), state->team);
  auto graph = std::make_shared<const graph::Graph>(
      graph::simplify(session::graph_of(model, options.operators), options.input_shapes, options.dimensions));
  session::check_stage(
      "graph", [&] { graph::verify(*graph); }, [&] { return graph::to_string(*graph); });
  std::vector<graph::Group> groups = graph::form_groups(*graph, graph::grouping_for(machine.target));
  session::check_stage(
      "groups", [&] { graph::verify(groups, *graph); }, [&] { return graph::to_string(groups, *graph); });
  state->info.graph_ms = watch.milliseconds();

  auto interface = std::make_shared<session::Interface>();
  interface->model = model.name();
  interface->inputs = describe(model.graph(), model.graph().inputs, *graph, graph->inputs);
  interface->outputs = describe(model.graph(), model.graph().outputs, *graph, graph->outputs);
  interface->on_device = machine.device != nullptr;
  const auto weights = plan::weight_store(model.shared_graph(), variant_of(*graph, interface->inputs));

  watch = {};
  const auto conversions = machine.device ? std::make_shared<plan::Conversions>(machine.device) : nullptr;
  session::SessionCache cache(state->options, machine, *graph, state->team);
  std::optional<session::LoadedGroups> ready = cache.find_code(groups, conversions.get());
  state->info.cache_ms = watch.milliseconds();
  state->info.from_bundle = ready.has_value();

  session::Tuned tuned;
  if (!ready) {
    watch = {};
    const graph::Decisions defaults = session::choose_decisions(*graph, groups, machine.target, options);
    tuned = session::tune_groups(graph, groups, defaults, machine, conversions, state->options, *weights, state->team,
                                 cache, whole.seconds());
    state->info.tune_ms = watch.milliseconds();
    state->info.trials = tuned.trials;
    state->info.search_ms = tuned.search_ms;
    session::check_stage(
        "layouts", [] {}, [&] { return graph::layouts_to_string(*graph, groups, tuned.decisions); });
    session::print_code(groups, tuned.decisions, machine.target);

    watch = {};
    ready.emplace().groups = session::compile_groups(groups, tuned.decisions, machine.target, state->team, tuned.code,
                                                     session::hand_made(groups, options));
    ready->code = session::load_groups(ready->groups, groups, machine.device.get());
    state->info.compile_ms = watch.milliseconds();
    state->info.kernels_compiled = ready->groups.kernels();
  }

  state->graph_text = graph::to_string(*graph);
  state->plan = std::make_shared<const plan::Plan>(plan::build_plan(
      {graph, std::move(groups), ready->groups.decisions, std::move(ready->code), machine.device, conversions},
      *weights, state->team));
  if (conversions) state->info.kernels_compiled += conversions->compiled();
  if (!state->info.from_bundle) cache.save_code(ready->groups, state->plan->groups, conversions.get());
  state->info.cache_reasons = cache.reasons();
  state->info.cache_directory = cache.folder();
  state->weights = weights;
  state->interface = std::move(interface);
  state->info.plan = state->plan->kernels;
  session::report_times(tuned, state->plan->groups, state->info.plan);
  for (const plan::Step& step : state->plan->steps) state->info.kernels += step.kind == plan::StepKind::kernel;
  base::log(base::LogLevel::info,
            model.name() + ": " + std::to_string(state->info.kernels) + " kernels, " +
                std::to_string(state->info.kernels_compiled) + " compiled in " +
                std::to_string(state->info.compile_ms) + " ms, " +
                (machine.device ? "on " + state->info.device_name : std::to_string(state->info.threads) + " threads"));
  state_ = std::move(state);
}

Session::~Session() = default;
Session::Session(const Session&) = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session other) noexcept {
  state_ = std::move(other.state_);
  return *this;
}

std::vector<ValueInfo> Session::inputs() const { return state_->interface->inputs; }
std::vector<ValueInfo> Session::outputs() const { return state_->interface->outputs; }
SessionInfo Session::info() const { return state_->info; }

std::shared_ptr<void> Session::allocate(size_t bytes) const {
  if (state_->plan->device) return state_->plan->device->allocate(bytes);
  auto buffer = std::make_shared<base::AlignedBuffer>(bytes);
  return {buffer, buffer->data()};
}

void Session::copy(const TensorView& from, const TensorView& to) const {
  const auto describe = [](const TensorView& view) {
    return std::string(to_string(view.type)) + to_string(view.shape);
  };
  if (from.type != to.type || from.shape != to.shape) {
    throw Error(ErrorCode::invalid_argument, "copy: from " + describe(from) + " to " + describe(to));
  }
  const bool from_device = from.device == Device::cuda, to_device = to.device == Device::cuda;
  if (from.bytes() == 0) return;
  if (!from_device && !to_device) {
    std::memmove(to.data, from.data, from.bytes());
    return;
  }
  if (!state_->plan->device) {
    throw Error(ErrorCode::invalid_argument,
                "copy: memory of a device, but " + state_->interface->model + " runs on the CPU");
  }
  const std::unique_ptr<jit::DeviceStream> stream = state_->plan->device->make_stream();
  if (!to_device) {
    stream->download(to.data, from.data, from.bytes());
  } else if (from_device) {
    stream->copy(to.data, from.data, from.bytes());
  } else {
    stream->upload(to.data, from.data, from.bytes());
  }
  stream->wait();
}

Context Session::context() const {
  return Context(std::make_unique<Context::State>(state_->interface, state_->plan, state_->team.threads()));
}

std::unique_ptr<Context::State> Session::State::take_context() const {
  for (std::atomic<Context::State*>& slot : idle_) {
    if (slot.load(std::memory_order_relaxed) == nullptr) continue;
    if (Context::State* context = slot.exchange(nullptr, std::memory_order_acquire)) {
      return std::unique_ptr<Context::State>(context);
    }
  }
  return std::make_unique<Context::State>(interface, plan, team.threads());
}

void Session::State::give_back(std::unique_ptr<Context::State> context) const {
  context->unbind();
  if (options.memory == Memory::lean) return;
  for (std::atomic<Context::State*>& slot : idle_) {
    Context::State* empty = nullptr;
    if (slot.compare_exchange_strong(empty, context.get(), std::memory_order_release, std::memory_order_relaxed)) {
      context.release();
      return;
    }
  }
}

void Session::State::check(const Context::State* context) const {
  if (context && context->interface == interface) return;
  throw Error(ErrorCode::invalid_argument,
              context ? "this context belongs to another session of " + context->interface->model
                      : "this context was moved from");
}

void Session::run(Context& context) const {
  state_->check(context.state_.get());
  if (context.state_->changed) context.state_->apply_bindings();
  base::Team::Lease lease = state_->lease();
  context.state_->runner->run(lease);
}

std::vector<double> Session::profile(Context& context) const {
  state_->check(context.state_.get());
  if (context.state_->changed) context.state_->apply_bindings();
  std::vector<double> milliseconds(state_->plan->kernels.size(), 0.0);
  base::Team::Lease lease = state_->lease();
  context.state_->runner->profile(lease, milliseconds);
  return milliseconds;
}

std::map<std::string, Tensor> Session::run(const std::map<std::string, TensorView>& inputs) const {
  Context context(state_->take_context());
  std::map<std::string, Tensor> outputs;
  for (const auto& [name, view] : inputs) {
    if (session::find(state_->interface->inputs, name) < 0) {
      throw Error(ErrorCode::invalid_argument, state_->interface->model + " has no input '" + name + "'");
    }
    context.bind(name, view);
  }
  // Not by name: an output may have the name of the input that it hands on.
  for (size_t o = 0; o < state_->interface->outputs.size(); ++o) {
    const ValueInfo& info = state_->interface->outputs[o];
    Tensor& output = outputs[info.name] = Tensor(info.type, info.shape);
    context.state_->outputs[o] = output.view();
  }
  run(context);
  state_->give_back(std::move(context.state_));
  return outputs;
}

std::string Session::inspect(const std::string& stage) const {
  const base::FloatEnvironment float_environment;
  const plan::Plan& plan = *state_->plan;
  return session::inspect(
      stage, {state_->graph_text, *plan.graph, plan.groups, plan.decisions, state_->machine.target, &plan});
}

}  // namespace altrt
