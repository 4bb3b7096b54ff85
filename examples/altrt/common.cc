#include "common.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>
#include <random>
#include <utility>

#include "npy.h"

namespace altrt::tool {
namespace {

[[noreturn]] void usage(const std::string& option, const std::string& message) {
  throw CLI::ValidationError(option, message);
}

std::pair<std::string, std::string> split_pair(const std::string& option, const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    usage(option, "'" + text + "' is not NAME=VALUE");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

Shape parse_shape(const std::string& text) {
  Shape shape;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('x', at), text.size());
    const std::optional<int64_t> extent = parse_integer(std::string_view(text).substr(at, end - at));
    if (!extent) usage("--shape", "'" + text + "' is not a shape such as 1x3x224x224");
    shape.push_back(*extent);
    at = end + 1;
  }
  return shape;
}

// "60s": a time; "500t": a number of trials; "0": none.
void parse_budget(const std::string& text, TuningOptions& tuning) {
  if (text == "0") return;
  const std::optional<int64_t> number = parse_integer(std::string_view(text).substr(0, text.size() - 1));
  const char unit = text.empty() ? ' ' : text.back();
  if (!number || (unit != 's' && unit != 't')) usage("--budget", "'" + text + "' is not a budget such as 60s or 500t");
  tuning.mode = *number > 0 ? TuningMode::load : TuningMode::off;
  if (unit == 's') tuning.budget = std::chrono::seconds(*number);
  if (unit == 't') tuning.max_trials = *number;
}

Search parse_search(const std::string& name) {
  if (name == "loops-only") return Search::loops_only;
  if (name == "loops-packed") return Search::loops_packed;
  return name == "propagate-only" ? Search::propagate_only : Search::joint;
}

void print_log(LogLevel level, const std::string& message) {
  constexpr const char* kNames[] = {"error", "warning", "info", "debug"};
  fmt::print(stderr, "altrt {}: {}\n", kNames[static_cast<int>(level)], message);
}

template <typename T, typename Draw>
void fill(Tensor& tensor, Draw draw) {
  T* values = tensor.as<T>();
  const int64_t count = element_count(tensor.shape());
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<T>(draw());
}

Tensor random_tensor(const ValueInfo& info, std::mt19937_64& random) {
  Tensor tensor(info.type, info.shape);
  std::normal_distribution<double> normal;
  const auto real = [&] { return normal(random); };
  const auto bit = [&] { return random() >> 63; };
  switch (info.type) {
    case DataType::f32:
      fill<float>(tensor, real);
      break;
    case DataType::f64:
      fill<double>(tensor, real);
      break;
    case DataType::i64:
      fill<int64_t>(tensor, bit);
      break;
    case DataType::i32:
      fill<int32_t>(tensor, bit);
      break;
    case DataType::i8:
    case DataType::u8:
    case DataType::boolean:
      fill<uint8_t>(tensor, bit);
      break;
  }
  return tensor;
}

bool has_input(const Model& model, const std::string& name) {
  const std::vector<ValueInfo> inputs = model.inputs();
  return std::any_of(inputs.begin(), inputs.end(), [&](const ValueInfo& info) { return info.name == name; });
}

}  // namespace

void add_common(CLI::App& command, Common& common) {
  command.add_option("model", common.model, "ONNX file")->required();
  command.add_option("--device", common.device, "cpu, cuda, or auto: cuda where there is one")
      ->check(CLI::IsMember({"cpu", "cuda", "auto"}));
  command.add_option("--threads", common.threads, "0 = what affinity and the cgroup quota allow");
  command.add_option("--shape", common.shapes, "NAME=1x3x224x224 of an input, or DIM=1 of a symbolic dimension");
  command.add_option("--cache", common.cache, "folder of the records; 'none' = no files");
  command.add_option("--budget", common.budget, "for tuning: 60s, 500t, or 0 for no trials");
  command.add_option("--providers", common.providers, "own,onednn")
      ->delimiter(',')
      ->check(CLI::IsMember({"own", "onednn"}));
  command.add_option("--algorithm", common.algorithm, "'direct' leaves the others out");
  command.add_option("--numerics", common.numerics, "standard or strict")->check(CLI::IsMember({"standard", "strict"}));
  command.add_option("--memory", common.memory, "standard, or lean: gives back what it can")
      ->check(CLI::IsMember({"standard", "lean"}));
  command
      .add_option("--search", common.search,
                  "alt: layouts and loops; to compare with: loops-only (channels last, plain weights), loops-packed "
                  "(the same with weights packed to suit), propagate-only (loops in the untuned layouts)")
      ->check(CLI::IsMember({"alt", "loops-only", "loops-packed", "propagate-only"}));
  command.add_option("--proposer", common.proposer, "who proposes layouts: ppo, evolutionary, random")
      ->check(CLI::IsMember({"ppo", "evolutionary", "random"}));
  command.add_option("--seed", common.seed, "of inputs that are made up, and of the search");
  command.add_flag("--verbose", common.verbose, "log to stderr");
}

void add_inputs(CLI::App& command, InputFiles& files) {
  command.add_option("--input", files.single, "NAME=FILE.npy; may be given several times");
  command.add_option("--inputs", files.archive, "FILE.npz with inputs by name");
}

Tensors read_inputs(const InputFiles& files, const Model& model) {
  Tensors inputs;
  if (!files.archive.empty()) inputs = npy::read_npz(files.archive);
  for (const std::string& text : files.single) {
    auto [name, path] = split_pair("--input", text);
    inputs[name] = npy::read(path);
  }
  for (const auto& [name, tensor] : inputs) {
    if (has_input(model, name)) continue;
    std::string list;
    for (const ValueInfo& info : model.inputs()) list += (list.empty() ? "'" : ", '") + info.name + "'";
    throw Error(ErrorCode::invalid_argument, model.name() + " has no input '" + name + "'; it has " + list);
  }
  return inputs;
}

void fill_inputs(Tensors& inputs, const std::vector<ValueInfo>& wanted, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (const ValueInfo& info : wanted) {
    if (!inputs.contains(info.name)) inputs[info.name] = random_tensor(info, random);
  }
}

std::map<std::string, TensorView> views(const Tensors& tensors) {
  std::map<std::string, TensorView> result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.view();
  return result;
}

SessionOptions session_options(const Common& common, const Model& model, const Tensors& given) {
  SessionOptions options;
  options.device = common.device == "cuda" ? Device::cuda : common.device == "auto" ? Device::automatic : Device::cpu;
  options.arch = common.arch;
  if (common.threads < 0) usage("--threads", "must not be negative");
  options.threads = common.threads;
  options.cache.directory = common.cache;
  options.tuning.seed = common.seed;
  options.tuning.search = parse_search(common.search);
  options.tuning.proposer = common.proposer;
  parse_budget(common.budget, options.tuning);
  options.providers = common.providers;
  options.algorithm = common.algorithm;
  options.numerics = common.numerics == "strict" ? Numerics::strict : Numerics::standard;
  options.memory = common.memory == "lean" ? Memory::lean : Memory::standard;
  if (common.verbose) options.log = print_log;
  for (const auto& [name, tensor] : given) options.input_shapes[name] = tensor.shape();
  for (const std::string& text : common.shapes) {
    const auto [name, value] = split_pair("--shape", text);
    if (has_input(model, name)) {
      options.input_shapes[name] = parse_shape(value);
    } else {
      const std::optional<int64_t> extent = parse_integer(value);
      if (!extent) usage("--shape", "'" + name + "' is no input, and '" + value + "' is no extent of a dimension");
      options.dimensions[name] = *extent;
    }
  }
  return options;
}

std::string format_shape(const Shape& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

std::string file_name(const std::string& value) {
  std::string name = value;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 32; },
      '_');
  return name.empty() || name.front() == '.' ? "_" + name : name;
}

}  // namespace altrt::tool
