#include <algorithm>
#include <utility>

#include "runtime/session/state.h"

namespace altrt {

namespace session {
namespace {

constexpr size_t kDeviceAlignment = 16;  // the widest load of a kernel

}  // namespace

int find(const std::vector<ValueInfo>& values, const std::string& name) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

void check_view(const TensorView& view, const ValueInfo& expected, const std::string& what, bool on_device) {
  const auto fail = [&](const std::string& message) { throw Error(ErrorCode::invalid_argument, what + message); };
  if (view.type != expected.type) {
    fail(std::string(": expected type ") + to_string(expected.type) + ", given " + to_string(view.type));
  }
  if (view.shape != expected.shape) {
    fail(": expected shape " + to_string(expected.shape) + ", given " + to_string(view.shape));
  }
  if (view.device == Device::automatic) fail(": its memory lies on a device, or on the CPU, but not 'automatic'");
  if (view.device == Device::cuda && !on_device) {
    fail(": its memory lies on device cuda, but the session runs on the CPU");
  }
  if (view.data == nullptr && element_count(view.shape) > 0) fail(": its memory is null");
  const size_t alignment = view.device == Device::cuda ? kDeviceAlignment : size_of(view.type);
  if (reinterpret_cast<uintptr_t>(view.data) % alignment != 0) {
    fail(": its memory is not aligned to " + std::to_string(alignment) + " bytes");
  }
}

}  // namespace session

namespace {

bool overlap(const TensorView& a, const TensorView& b) {
  if (a.device != b.device) return false;
  const auto* a_begin = static_cast<const uint8_t*>(a.data);
  const auto* b_begin = static_cast<const uint8_t*>(b.data);
  return a_begin < b_begin + b.bytes() && b_begin < a_begin + a.bytes();
}

std::string list(const std::vector<ValueInfo>& values) {
  std::string text;
  for (const ValueInfo& value : values) text += (text.empty() ? "'" : ", '") + value.name + "'";
  return text;
}

}  // namespace

Context::State::State(std::shared_ptr<const session::Interface> interface_in, std::shared_ptr<const plan::Plan> plan,
                      int threads)
    : interface(std::move(interface_in)),
      runner(plan::make_runner(std::move(plan), threads)),
      inputs(interface->inputs.size()),
      outputs(interface->outputs.size()),
      own_outputs(interface->outputs.size()) {}

TensorView Context::State::output(size_t number) {
  if (outputs[number]) return *outputs[number];
  Tensor& own = own_outputs[number];
  const ValueInfo& info = interface->outputs[number];
  if (own.data() == nullptr) own = Tensor(info.type, info.shape);
  return own.view();
}

void Context::State::apply_bindings() {
  std::vector<TensorView> ins, outs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i]) {
      throw Error(ErrorCode::invalid_argument,
                  "input '" + interface->inputs[i].name + "' of " + interface->model + " is not bound");
    }
    ins.push_back(*inputs[i]);
  }
  for (size_t o = 0; o < outputs.size(); ++o) outs.push_back(output(o));
  for (size_t o = 0; o < outs.size(); ++o) {
    const auto check = [&](const TensorView& other, const std::string& name) {
      if (!overlap(outs[o], other)) return;
      throw Error(ErrorCode::invalid_argument,
                  "the memory of output '" + interface->outputs[o].name + "' overlaps that of '" + name + "'");
    };
    for (size_t i = 0; i < ins.size(); ++i) check(ins[i], interface->inputs[i].name);
    for (size_t p = 0; p < o; ++p) check(outs[p], interface->outputs[p].name);
  }
  const auto addresses = [](const std::vector<TensorView>& views) {
    std::vector<plan::Address> list;
    for (const TensorView& view : views) list.push_back({view.data, view.device == Device::cuda});
    return list;
  };
  runner->bind(addresses(ins), addresses(outs));
  changed = false;
}

void Context::State::unbind() {
  std::fill(inputs.begin(), inputs.end(), std::nullopt);
  std::fill(outputs.begin(), outputs.end(), std::nullopt);
  changed = true;
}

Context::Context(std::unique_ptr<State> state) : state_(std::move(state)) {}
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;
Context::~Context() = default;

void Context::bind(const std::string& name, const TensorView& view) {
  if (!state_) throw Error(ErrorCode::invalid_argument, "this context was moved from");
  const session::Interface& interface = *state_->interface;
  const int input = session::find(interface.inputs, name);
  const int output = session::find(interface.outputs, name);
  if (input < 0 && output < 0) {
    throw Error(ErrorCode::invalid_argument, interface.model + " has no input or output '" + name + "'; inputs: " +
                                                 list(interface.inputs) + "; outputs: " + list(interface.outputs));
  }
  const auto place = [&](const ValueInfo& info, const char* kind, std::optional<TensorView>& slot) {
    session::check_view(view, info, std::string(kind) + " '" + name + "' of " + interface.model, interface.on_device);
    slot = view;
    state_->changed = true;
  };
  if (input >= 0) {
    const auto i = static_cast<size_t>(input);
    place(interface.inputs[i], "input", state_->inputs[i]);
  } else {
    const auto o = static_cast<size_t>(output);
    place(interface.outputs[o], "output", state_->outputs[o]);
  }
}

void Context::set_stream(void* cuda_stream) {
  if (!state_) throw Error(ErrorCode::invalid_argument, "this context was moved from");
  state_->runner->set_stream(cuda_stream);
}

TensorView Context::output(const std::string& name) const {
  if (!state_) throw Error(ErrorCode::invalid_argument, "this context was moved from");
  const session::Interface& interface = *state_->interface;
  const int number = session::find(interface.outputs, name);
  if (number < 0) {
    throw Error(ErrorCode::invalid_argument,
                interface.model + " has no output '" + name + "'; outputs: " + list(interface.outputs));
  }
  return state_->output(static_cast<size_t>(number));
}

}  // namespace altrt
