// Plans on a device: launches in graphs, host operators between them, copies where the two meet.
#include <algorithm>
#include <map>
#include <utility>

#include "runtime/base/buffer.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/trace.h"
#include "runtime/plan/builder.h"
#include "runtime/plan/runners.h"

namespace altrt::plan {
namespace {

using Key = std::pair<Place, int64_t>;
Key key_of(const Location& location) { return {location.place, location.index}; }

/// Steps of the device that follow each other: one graph.
struct Segment {
  std::vector<size_t> steps;                // those that have blocks
  std::unique_ptr<jit::DeviceGraph> graph;  // null until it is needed, and after an error
};

struct Action {
  enum class Kind : uint8_t { upload, download, wait, segment, host } kind = Kind::wait;
  size_t number = 0;  // segment or host: of the segment or step
  void* to = nullptr;
  const void* from = nullptr;  // upload, download
  size_t bytes = 0;
};

class DeviceRunner final : public Runner {
 public:
  explicit DeviceRunner(std::shared_ptr<const Plan> plan);

  void bind(std::span<const Address> inputs, std::span<const Address> outputs) override;
  void run(base::Team::Lease& lease) override;
  void profile(base::Team::Lease& lease, std::span<double> milliseconds) override;
  void set_stream(void* stream) override;

 private:
  void fill_arena();
  void find_segments();
  size_t bytes_of(const Location& location) const;
  const Address& bound(const Location& location) const;
  void* on_device(const Location& location);
  void* on_host(const Location& location);
  std::vector<void*> addresses(const Step& step);
  void update_arguments();
  void plan_copies();
  void make_graphs();
  void copy(const Action& action);
  void run_host_step(size_t number);
  void recover() noexcept;
  jit::DeviceStream& stream() { return callers_stream_ ? *callers_stream_ : *stream_; }
  jit::Launch launch_of(size_t step) const;

  std::shared_ptr<jit::Device> device_;
  std::shared_ptr<void> arena_;
  base::AlignedBuffer host_arena_;                        // the same offsets, for what host steps touch
  std::map<Key, std::shared_ptr<void>> staging_;          // in the device, for inputs and outputs of the host
  std::map<Key, base::AlignedBuffer> mirrors_;            // in the host, for inputs and outputs of the device
  std::vector<Address> inputs_, outputs_;                 // as bound
  std::vector<std::vector<void*>> arguments_;             // by step: in the device, or in the host for host steps
  std::vector<std::vector<const void*>> host_arguments_;  // by step; empty for other steps
  std::vector<std::vector<TensorView>> host_views_;       // by step; empty for other steps
  std::vector<Segment> segments_;
  std::vector<Action> actions_;  // a run with these bindings
  bool all_on_device_ = false;
  // Last, so that they go first: their work is over when memory and graphs go.
  std::unique_ptr<jit::DeviceStream> stream_, callers_stream_;
};

DeviceRunner::DeviceRunner(std::shared_ptr<const Plan> plan)
    : Runner(std::move(plan)), device_(plan_->device), arguments_(plan_->steps.size()) {
  stream_ = device_->make_stream();
  fill_arena();
  find_segments();
  for (const Step& step : plan_->steps) {
    host_views_.push_back(step.host ? step.host->views : std::vector<TensorView>{});
    host_arguments_.emplace_back();
    if (step.host && host_arena_.size() == 0)
      host_arena_ = base::AlignedBuffer(static_cast<size_t>(plan_->arena_bytes));
  }
}

void DeviceRunner::fill_arena() {
  if (plan_->arena_bytes == 0) return;
  arena_ = device_->allocate(static_cast<size_t>(plan_->arena_bytes));
  auto* arena = static_cast<uint8_t*>(arena_.get());
  stream_->fill(arena, 0, static_cast<size_t>(plan_->arena_bytes));
  for (const PaddedRegion& region : plan_->padded) {
    base::AlignedBuffer filled(static_cast<size_t>(region.bytes));
    filled.zero();
    jit::fill_padding(region.type, region.shape, region.layout, filled.data());
    stream_->upload(arena + region.offset, filled.data(), filled.size());
  }
  stream_->wait();
}

void DeviceRunner::find_segments() {
  bool open = false;
  for (size_t i = 0; i < plan_->steps.size(); ++i) {
    const Step& step = plan_->steps[i];
    if (step.kind == StepKind::host) open = false;
    if (step.kind == StepKind::host || step.tasks == 0) continue;
    if (!open) segments_.emplace_back();
    open = true;
    segments_.back().steps.push_back(i);
  }
}

size_t DeviceRunner::bytes_of(const Location& location) const {
  const auto index = static_cast<size_t>(location.index);
  if (location.place == Place::arena) return static_cast<size_t>(plan_->storages[index].bytes);
  const graph::Graph& graph = *plan_->graph;
  const int number = location.place == Place::input ? graph.inputs[index] : graph.outputs[index];
  const graph::Value& value = graph.values[static_cast<size_t>(number)];
  return static_cast<size_t>(element_count(value.shape)) * size_of(value.type);
}

const Address& DeviceRunner::bound(const Location& location) const {
  return (location.place == Place::input ? inputs_ : outputs_)[static_cast<size_t>(location.index)];
}

// Where the device finds it; makes room for what the caller has in the host's memory.
void* DeviceRunner::on_device(const Location& location) {
  const auto index = static_cast<size_t>(location.index);
  if (location.place == Place::arena) return static_cast<uint8_t*>(arena_.get()) + plan_->storages[index].offset;
  if (location.place == Place::constant) return const_cast<void*>(plan_->constants[index].get());
  if (bound(location).on_device) return bound(location).data;
  std::shared_ptr<void>& memory = staging_[key_of(location)];
  // Whole vectors and a line behind them, as in the arena.
  if (!memory) memory = device_->allocate(base::round_up(bytes_of(location), base::kAlignment) + base::kAlignment);
  return memory.get();
}

// Where host operators find it.
void* DeviceRunner::on_host(const Location& location) {
  const auto index = static_cast<size_t>(location.index);
  if (location.place == Place::arena) return host_arena_.as<uint8_t>() + plan_->storages[index].offset;
  if (location.place == Place::constant) return const_cast<void*>(plan_->constants[index].get());
  if (!bound(location).on_device) return bound(location).data;
  base::AlignedBuffer& memory = mirrors_[key_of(location)];
  if (memory.size() == 0) memory = base::AlignedBuffer(bytes_of(location));
  return memory.data();
}

std::vector<void*> DeviceRunner::addresses(const Step& step) {
  std::vector<void*> list;
  for (const Location& argument : step.arguments) {
    list.push_back(step.kind == StepKind::host ? on_host(argument) : on_device(argument));
  }
  return list;
}

jit::Launch DeviceRunner::launch_of(size_t step) const {
  return {plan_->steps[step].loaded, arguments_[step], plan_->steps[step].tasks};
}

// Looks up every argument, and tells graphs of those launches only that have changed.
void DeviceRunner::update_arguments() {
  for (size_t i = 0; i < plan_->steps.size(); ++i) {
    const Step& step = plan_->steps[i];
    if (step.kind != StepKind::host) continue;
    const std::vector<void*> list = addresses(step);
    host_arguments_[i].assign(list.begin(), list.end());
  }
  for (Segment& segment : segments_) {
    for (size_t launch = 0; launch < segment.steps.size(); ++launch) {
      std::vector<void*>& arguments = arguments_[segment.steps[launch]];
      std::vector<void*> list = addresses(plan_->steps[segment.steps[launch]]);
      if (list == arguments) continue;
      arguments = std::move(list);
      if (segment.graph) segment.graph->set_arguments(launch, arguments);
    }
  }
}

// Which copies a run makes: each value is brought to where its next reader is, once.
void DeviceRunner::plan_copies() {
  struct Valid {
    bool on_host = false, on_device = false;
  };
  std::map<Key, Valid> valid;
  bool downloading = false;
  actions_.clear();
  for (size_t i = 0; i < inputs_.size(); ++i) {
    valid[{Place::input, static_cast<int64_t>(i)}] = {!inputs_[i].on_device, inputs_[i].on_device};
  }
  const auto bring = [&](const Location& location, bool to_device) {
    Valid& where = valid[key_of(location)];
    if (location.place == Place::constant || (to_device ? where.on_device : where.on_host)) return;
    (to_device ? where.on_device : where.on_host) = true;
    const size_t bytes = bytes_of(location);
    if (bytes == 0) return;
    void* device = on_device(location);
    void* host = on_host(location);
    actions_.push_back(to_device ? Action{Action::Kind::upload, 0, device, host, bytes}
                                 : Action{Action::Kind::download, 0, host, device, bytes});
    downloading |= !to_device;
  };
  // What a step reads is there before the action that `act` adds; what it writes is valid in one place only.
  const auto pass = [&](const Step& step, bool reads) {
    const bool to_device = step.kind != StepKind::host;
    for (size_t a = 0; a < step.arguments.size(); ++a) {
      if (!reads && step.written[a]) valid[key_of(step.arguments[a])] = {!to_device, to_device};
      if (reads && !step.written[a]) bring(step.arguments[a], to_device);
    }
  };
  size_t segment = 0;
  for (size_t i = 0; i < plan_->steps.size(); ++i) {
    const Step& step = plan_->steps[i];
    if (step.kind == StepKind::host) {
      pass(step, true);
      if (std::exchange(downloading, false)) actions_.push_back({Action::Kind::wait});
      actions_.push_back({Action::Kind::host, i});
      pass(step, false);
    } else if (segment < segments_.size() && i == segments_[segment].steps.front()) {
      // Everything that the segment reads from outside it is there when it starts.
      for (const size_t inside : segments_[segment].steps) {
        pass(plan_->steps[inside], true);
        pass(plan_->steps[inside], false);
      }
      actions_.push_back({Action::Kind::segment, segment++});
    }
  }
  for (size_t o = 0; o < outputs_.size(); ++o) {
    bring({Place::output, static_cast<int64_t>(o)}, outputs_[o].on_device);
  }
}

void DeviceRunner::bind(std::span<const Address> inputs, std::span<const Address> outputs) {
  const auto is_on_device = [](const Address& address) { return address.on_device; };
  inputs_.assign(inputs.begin(), inputs.end());
  outputs_.assign(outputs.begin(), outputs.end());
  all_on_device_ = std::all_of(inputs_.begin(), inputs_.end(), is_on_device) &&
                   std::all_of(outputs_.begin(), outputs_.end(), is_on_device);
  try {
    update_arguments();
    plan_copies();
  } catch (...) {
    recover();
    throw;
  }
}

void DeviceRunner::make_graphs() {
  for (Segment& segment : segments_) {
    if (segment.graph) continue;
    std::vector<jit::Launch> launches;
    for (const size_t step : segment.steps) launches.push_back(launch_of(step));
    segment.graph = stream_->make_graph(launches);
  }
}

// After an error: nothing of ours is under way any more, and graphs are made anew.
void DeviceRunner::recover() noexcept {
  try {
    stream().wait();
  } catch (...) {  // the caller hears of the first error
  }
  for (Segment& segment : segments_) segment.graph.reset();
}

void DeviceRunner::copy(const Action& action) {
  if (action.kind == Action::Kind::upload) {
    stream().upload(action.to, action.from, action.bytes);
  } else if (action.kind == Action::Kind::download) {
    stream().download(action.to, action.from, action.bytes);
  } else {
    stream().wait();
  }
}

void DeviceRunner::run_host_step(size_t number) {
  const base::FloatEnvironment float_environment;
  run_host(*plan_->steps[number].host, host_arguments_[number], host_views_[number]);
}

void DeviceRunner::run(base::Team::Lease&) {
  try {
    make_graphs();
    for (const Action& action : actions_) {
      if (action.kind == Action::Kind::segment) {
        stream().launch(*segments_[action.number].graph);
      } else if (action.kind == Action::Kind::host) {
        run_host_step(action.number);
      } else {
        copy(action);
      }
    }
    if (!callers_stream_ || !all_on_device_) stream().wait();
  } catch (...) {
    recover();
    throw;
  }
}

void DeviceRunner::profile(base::Team::Lease&, std::span<double> milliseconds) {
  struct Timed {
    size_t report = 0;
    std::unique_ptr<jit::DeviceEvent> from, to;
  };
  std::vector<Timed> launches;
  const auto report_of = [&](size_t step) { return static_cast<size_t>(plan_->steps[step].report); };
  try {
    for (const Action& action : actions_) {
      if (action.kind == Action::Kind::segment) {
        for (const size_t step : segments_[action.number].steps) {
          Timed timed{report_of(step), stream().record(), nullptr};
          stream().launch(launch_of(step));
          timed.to = stream().record();
          launches.push_back(std::move(timed));
        }
      } else if (action.kind == Action::Kind::host) {
        const base::Stopwatch watch;
        run_host_step(action.number);
        milliseconds[report_of(action.number)] += watch.milliseconds();
      } else {
        copy(action);
      }
    }
    stream().wait();
    for (const Timed& timed : launches) milliseconds[timed.report] += stream().milliseconds(*timed.from, *timed.to);
  } catch (...) {
    recover();
    throw;
  }
}

void DeviceRunner::set_stream(void* stream) {
  std::unique_ptr<jit::DeviceStream> next = device_->wrap_stream(stream);
  if (callers_stream_) callers_stream_->wait();
  callers_stream_ = std::move(next);
}

}  // namespace

std::unique_ptr<Runner> make_device_runner(std::shared_ptr<const Plan> plan) {
  return std::make_unique<DeviceRunner>(std::move(plan));
}

}  // namespace altrt::plan
