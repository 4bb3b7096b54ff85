// altrt bench: latency, throughput and a table per kernel.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "common.h"
#include "peak.h"

namespace altrt::tool {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr int kProfileRuns = 15;
constexpr int kMinRuns = 10;

struct BenchArguments {
  Common common;
  InputFiles files;
  double seconds = 3;
  std::string json;
  bool profile = false;
  std::string io = "host";
};

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

struct Latency {
  double min = 0, median = 0, mean = 0, p90 = 0, p95 = 0, p99 = 0, cv = 0;
};

Latency summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const auto quantile = [&](double q) {
    return samples[std::min(samples.size() - 1, static_cast<size_t>(q * static_cast<double>(samples.size())))];
  };
  Latency latency{samples.front(), quantile(0.5), 0, quantile(0.9), quantile(0.95), quantile(0.99), 0};
  const auto count = static_cast<double>(samples.size());
  latency.mean = std::accumulate(samples.begin(), samples.end(), 0.0) / count;
  double squares = 0;
  for (const double sample : samples) squares += (sample - latency.mean) * (sample - latency.mean);
  latency.cv = std::sqrt(squares / count) / latency.mean;
  return latency;
}

struct Result {
  std::string model;
  double read_ms = 0, load_ms = 0, first_run_ms = 0, throughput = 0, peak_gflops = 0;
  double resident_mb = 0;  // of the process after the runs; 0 = not known
  Latency latency;
  SessionInfo info;
  std::vector<double> kernel_ms;  // median of several runs
};

std::vector<double> profile(const Session& session, Context& context) {
  std::vector<std::vector<double>> runs;
  for (int i = 0; i < kProfileRuns; ++i) runs.push_back(session.profile(context));
  std::vector<double> medians;
  for (size_t k = 0; k < runs.front().size(); ++k) {
    std::vector<double> samples;
    for (const std::vector<double>& run : runs) samples.push_back(run[k]);
    medians.push_back(summarize(std::move(samples)).median);
  }
  return medians;
}

/// Inputs and outputs in the memory of the session's device; whoever holds the result holds the memory.
std::vector<std::shared_ptr<void>> bind_on_device(const Session& session, Context& context, const Tensors& inputs) {
  std::vector<std::shared_ptr<void>> memory;
  const auto place = [&](const ValueInfo& info) {
    const auto bytes = static_cast<size_t>(element_count(info.shape)) * size_of(info.type);
    memory.push_back(session.allocate(bytes));
    return TensorView(memory.back().get(), info.type, info.shape, session.info().device);
  };
  for (const ValueInfo& info : session.inputs()) {
    const TensorView view = place(info);
    session.copy(inputs.at(info.name).view(), view);
    context.bind(info.name, view);
  }
  for (const ValueInfo& info : session.outputs()) {
    if (!inputs.contains(info.name)) context.bind(info.name, place(info));
  }
  return memory;
}

double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "VmRSS:" && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

Result measure(const BenchArguments& arguments) {
  Result result;
  const auto begin = Clock::now();
  const Model model = Model::load(arguments.common.model);
  result.read_ms = ms_since(begin);
  Tensors inputs = read_inputs(arguments.files, model);
  const Session session(model, session_options(arguments.common, model, inputs));
  result.load_ms = ms_since(begin);
  result.model = model.name();
  result.info = session.info();
  fill_inputs(inputs, session.inputs(), arguments.common.seed);

  Context context = session.context();
  std::vector<std::shared_ptr<void>> memory;
  if (arguments.io == "device") {
    memory = bind_on_device(session, context, inputs);
  } else {
    for (const auto& [name, tensor] : inputs) context.bind(name, tensor.view());
  }
  const auto first = Clock::now();
  session.run(context);
  result.first_run_ms = ms_since(first);
  for (int i = 0; i < 3; ++i) session.run(context);

  std::vector<double> samples;
  const auto start = Clock::now();
  while (samples.size() < kMinRuns || ms_since(start) < arguments.seconds * 1e3) {
    const auto run_begin = Clock::now();
    session.run(context);
    samples.push_back(ms_since(run_begin));
  }
  result.throughput = static_cast<double>(samples.size()) / ms_since(start) * 1e3;
  result.latency = summarize(std::move(samples));
  result.resident_mb = resident_mb();
  result.kernel_ms = profile(session, context);
  const bool on_cpu = result.info.device == Device::cpu;
  if (arguments.profile && on_cpu) result.peak_gflops = fma_peak_gflops(result.info.threads);
  return result;
}

double gflops(const KernelInfo& kernel, double ms) {
  return ms > 0 ? static_cast<double>(kernel.flops) / ms * 1e-6 : 0;
}

std::map<std::string, double> provider_share(const Result& result) {
  std::map<std::string, double> share;
  double total = 0;
  for (size_t k = 0; k < result.kernel_ms.size(); ++k) {
    share[result.info.plan[k].provider] += result.kernel_ms[k];
    total += result.kernel_ms[k];
  }
  for (auto& [provider, part] : share) part = total > 0 ? part / total : 0;
  return share;
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

Json to_json(const Result& result) {
  const SessionInfo& info = result.info;
  const Latency& latency = result.latency;
  Json json;
  json["model"] = result.model;
  json["device"] = to_string(info.device);
  if (!info.device_name.empty()) json["device_name"] = info.device_name;
  json["threads"] = info.threads;
  json["load_ms"] = result.load_ms;
  json["first_run_ms"] = result.first_run_ms;
  json["cold_start_ms"] = {{"read", result.read_ms},
                           {"graph", info.graph_ms},
                           {"cache", info.cache_ms},
                           {"tune", info.tune_ms},
                           {"compile", info.compile_ms}};
  json["kernels_compiled"] = info.kernels_compiled;
  json["tuning"] = {{"trials", info.trials}, {"seconds", info.tune_ms / 1e3}};
  json["cache"] = {
      {"hits", info.from_bundle ? 1 : 0}, {"misses", info.cache_reasons.size()}, {"reasons", info.cache_reasons}};
  json["latency_ms"] = {{"min", latency.min}, {"median", latency.median}, {"mean", latency.mean}, {"p90", latency.p90},
                        {"p95", latency.p95}, {"p99", latency.p99},       {"cv", latency.cv}};
  json["throughput_per_s"] = result.throughput;
  json["peak_rss_mb"] = peak_rss_mb();
  json["resident_mb"] = result.resident_mb;
  if (result.peak_gflops > 0) json["fma_peak_gflops"] = result.peak_gflops;
  json["provider_share"] = provider_share(result);
  json["kernels"] = Json::array();
  for (size_t k = 0; k < result.kernel_ms.size(); ++k) {
    const KernelInfo& kernel = info.plan[k];
    json["kernels"].push_back({{"name", kernel.name},
                               {"op", kernel.op},
                               {"ms", result.kernel_ms[k]},
                               {"gflops", gflops(kernel, result.kernel_ms[k])},
                               {"provider", kernel.provider},
                               {"algorithm", kernel.algorithm},
                               {"layout", kernel.layout}});
  }
  return json;
}

void print_summary(const Result& result) {
  const SessionInfo& info = result.info;
  const Latency& latency = result.latency;
  const std::string where = info.device == Device::cpu
                                ? fmt::format("{} thread{}", info.threads, info.threads == 1 ? "" : "s")
                                : info.device_name;
  fmt::print("{}, {}, {} kernels\n", result.model, where, info.kernels);
  fmt::print("latency ms   min {:.3f}  median {:.3f}  mean {:.3f}  p90 {:.3f}  p95 {:.3f}  p99 {:.3f}  cv {:.3f}\n",
             latency.min, latency.median, latency.mean, latency.p90, latency.p95, latency.p99, latency.cv);
  fmt::print("throughput   {:.1f} runs/s\n", result.throughput);
  fmt::print(
      "load ms      {:.1f} (read {:.1f}, graph {:.1f}, cache {:.1f}, tune {:.1f}, compile {:.1f}), first run {:.1f}\n",
      result.load_ms, result.read_ms, info.graph_ms, info.cache_ms, info.tune_ms, info.compile_ms, result.first_run_ms);
  fmt::print("memory MB    {:.0f} at most, {:.0f} after the runs\n", peak_rss_mb(), result.resident_mb);
}

void print_profile(const Result& result) {
  double total = 0, flops = 0;
  for (size_t k = 0; k < result.kernel_ms.size(); ++k) {
    total += result.kernel_ms[k];
    flops += static_cast<double>(result.info.plan[k].flops);
  }
  // Of a device the peak is not known.
  const bool has_peak = result.info.device == Device::cpu;
  if (has_peak) fmt::print("\nFMA peak {:.0f} GFLOP/s on {} threads\n", result.peak_gflops, result.info.threads);
  const auto peak_column = [&](double speed) {
    if (!has_peak) return std::string();
    return fmt::format(" {:>6.1f}", result.peak_gflops > 0 ? 100 * speed / result.peak_gflops : 0.0);
  };
  fmt::print("{:>9} {:>5} {:>8}{}  {:<8} {:<10} {:<40} {}\n", "ms", "%", "GFLOP/s", has_peak ? "  peak%" : "",
             "provider", "algorithm", "kernel", "layout");
  for (size_t k = 0; k < result.kernel_ms.size(); ++k) {
    const KernelInfo& kernel = result.info.plan[k];
    const double ms = result.kernel_ms[k], speed = gflops(kernel, ms);
    fmt::print("{:>9.4f} {:>5.1f} {:>8.1f}{}  {:<8} {:<10} {:<40} {}\n", ms, total > 0 ? 100 * ms / total : 0, speed,
               peak_column(speed), kernel.provider, kernel.algorithm, kernel.name + " " + kernel.op, kernel.layout);
  }
  const double speed = total > 0 ? flops / total * 1e-6 : 0;
  fmt::print("{:>9.4f} {:>5.1f} {:>8.1f}{}  total\n", total, 100.0, speed, peak_column(speed));
}

void bench(const BenchArguments& arguments) {
  const Result result = measure(arguments);
  if (arguments.json != "-") {
    print_summary(result);
    if (arguments.profile) print_profile(result);
  }
  if (arguments.json.empty()) return;
  const std::string text = to_json(result).dump(2) + "\n";
  if (arguments.json == "-") {
    fmt::print("{}", text);
    return;
  }
  std::ofstream file(arguments.json);
  file << text;
  file.close();
  if (!file) throw Error(ErrorCode::io, "cannot write " + arguments.json);
}

}  // namespace

void add_bench(CLI::App& app, int&) {
  CLI::App* command = app.add_subcommand("bench", "latency percentiles, throughput, table per kernel");
  auto arguments = std::make_shared<BenchArguments>();
  add_common(*command, arguments->common);
  add_inputs(*command, arguments->files);
  command->add_option("--seconds", arguments->seconds, "how long to measure (default 3)")->check(CLI::PositiveNumber);
  command->add_option("--io", arguments->io, "where inputs and outputs lie: host (default) or device")
      ->check(CLI::IsMember({"host", "device"}));
  command->add_option("--json", arguments->json, "write the figures to this file; '-' = stdout, instead of the text");
  command->add_flag("--profile", arguments->profile, "table per kernel: time, GFLOP/s, fraction of the FMA peak");
  command->callback([arguments] { bench(*arguments); });
}

}  // namespace altrt::tool
