// What libaltrt does with a model, on one screen: quickstart MODEL.onnx [BUDGET-SECONDS]. Symbolic dimensions are taken
// as 1.
#include <altrt/altrt.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::map<std::string, altrt::Tensor> random_inputs(const altrt::Session& session) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::map<std::string, altrt::Tensor> inputs;
  for (const altrt::ValueInfo& info : session.inputs()) {
    altrt::Tensor tensor(info.type, info.shape);  // zeros; indices and masks stay so
    for (int64_t i = 0; info.type == altrt::DataType::f32 && i < altrt::element_count(info.shape); ++i) {
      tensor.as<float>()[i] = normal(generator);
    }
    inputs.emplace(info.name, std::move(tensor));
  }
  return inputs;
}

std::map<std::string, altrt::TensorView> views(const std::map<std::string, altrt::Tensor>& tensors) {
  std::map<std::string, altrt::TensorView> result;
  for (const auto& [name, tensor] : tensors) result.emplace(name, tensor.view());
  return result;
}

/// Median milliseconds of a run, over about two seconds.
double latency(const altrt::Session& session, const std::map<std::string, altrt::Tensor>& inputs) {
  altrt::Context context = session.context();
  for (const auto& [name, tensor] : inputs) context.bind(name, tensor.view());
  for (int i = 0; i < 3; ++i) session.run(context);
  std::vector<double> times;
  const auto begin = Clock::now();
  while (times.size() < 9 || milliseconds_since(begin) < 2000) {
    const auto start = Clock::now();
    session.run(context);
    times.push_back(milliseconds_since(start));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

/// Worst relative L2 distance over the f32 outputs.
double distance(const std::map<std::string, altrt::Tensor>& got, const std::map<std::string, altrt::Tensor>& expected) {
  double worst = 0;
  for (const auto& [name, tensor] : expected) {
    if (tensor.type() != altrt::DataType::f32) continue;
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < altrt::element_count(tensor.shape()); ++i) {
      const double e = tensor.as<float>()[i], g = got.at(name).as<float>()[i];
      difference += (g - e) * (g - e);
      norm += e * e;
    }
    worst = std::max(worst, norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference));
  }
  return worst;
}

altrt::SessionOptions options_for(const altrt::Model& model, double budget) {
  altrt::SessionOptions options;
  for (const altrt::ValueInfo& input : model.inputs()) {
    for (const std::string& symbol : input.symbols) {
      if (!symbol.empty()) options.dimensions[symbol] = 1;
    }
  }
  if (budget > 0) {
    options.tuning.mode = altrt::TuningMode::load;
    options.tuning.budget = std::chrono::milliseconds(static_cast<int64_t>(budget * 1000));
    options.tuning.progress = [](const altrt::TuningProgress& p) {
      if (isatty(2)) {
        std::fprintf(stderr, "\r%-12s %3d/%d  %6lld trials  best %.3f ms  %.0f s left   ", p.phase.c_str(),
                     p.task_index + 1, p.task_count, static_cast<long long>(p.trials), p.best_ms, p.remaining_s);
      }
      return true;
    };
  }
  return options;
}

void print_plan(const altrt::SessionInfo& info) {
  std::printf("\nLayouts that won, by the time their kernels take:\n");
  std::map<std::string, std::pair<int, double>> layouts;
  for (const altrt::KernelInfo& kernel : info.plan) {
    auto& [count, flops] = layouts[kernel.layout];
    ++count;
    flops += static_cast<double>(kernel.flops);
  }
  std::vector<std::pair<std::string, std::pair<int, double>>> order(layouts.begin(), layouts.end());
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second.second > b.second.second; });
  for (size_t i = 0; i < std::min<size_t>(order.size(), 6); ++i) {
    std::printf("  %3d kernels  %7.1f MFLOP  %s\n", order[i].second.first, order[i].second.second / 1e6,
                order[i].first.c_str());
  }
}

int quickstart(const std::string& path, double budget) {
  const altrt::Model model = altrt::Model::load(path);
  altrt::SessionOptions plain = options_for(model, 0);
  plain.cache.directory = "none";
  const altrt::Session untuned(model, plain);
  const auto inputs = random_inputs(untuned);
  std::printf("Checking the answer against the reference evaluator (exact, slow) ...\n");
  std::fflush(stdout);
  const auto expected = altrt::evaluate_reference(model, views(inputs));
  const double error = distance(untuned.run(views(inputs)), expected);
  const double untuned_ms = latency(untuned, inputs);

  std::printf("Tuning for at most %.0f s ...\n", budget);
  std::fflush(stdout);
  const altrt::SessionOptions options = options_for(model, budget);
  const altrt::Session tuned(model, options);
  if (isatty(2)) std::fprintf(stderr, "\n");
  const double tuned_error = distance(tuned.run(views(inputs)), expected);
  const double tuned_ms = latency(tuned, inputs);

  const auto start = Clock::now();
  const altrt::Model again = altrt::Model::load(path);
  const altrt::Session second(again, options);
  const double ready_ms = milliseconds_since(start);
  const double second_ms = latency(second, inputs);
  const altrt::SessionInfo first_info = tuned.info(), info = second.info();

  std::printf("\nlibaltrt %s\n", altrt::version_details().c_str());
  std::printf("model            %s, %d kernels, %d threads\n", path.c_str(), info.kernels, info.threads);
  const bool right = error <= 1e-4 && tuned_error <= 1e-4;
  std::printf("answer           %s: relative L2 %.1e untuned, %.1e tuned, against the evaluator\n",
              right ? "right" : "WRONG", error, tuned_error);
  std::printf("latency untuned  %8.3f ms\n", untuned_ms);
  std::printf("latency tuned    %8.3f ms  (%lld trials in %.1f s)\n", tuned_ms,
              static_cast<long long>(first_info.trials), first_info.tune_ms / 1000);
  std::printf("second start     %8.3f ms  (ready in %.0f ms, %lld trials, %d kernels compiled)\n", second_ms, ready_ms,
              static_cast<long long>(info.trials), info.kernels_compiled);
  print_plan(info);
  std::printf("\ncache            %s\n", info.cache_directory.empty() ? "none" : info.cache_directory.c_str());
  return right ? 0 : 3;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) return std::fprintf(stderr, "usage: quickstart MODEL.onnx [BUDGET-SECONDS]\n"), 2;
  try {
    return quickstart(argv[1], argc == 3 ? std::atof(argv[2]) : 60);
  } catch (const altrt::Error& error) {
    return std::fprintf(stderr, "quickstart: %s\n", error.what()), 1;
  }
}
