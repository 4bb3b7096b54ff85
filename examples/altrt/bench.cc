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
  Bandwidth bandwidth;                      // where peak_gflops is
  double resident_mb = 0, peak_rss_mb = 0;  // of the process after the runs; 0 = not known
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

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "VmRSS:" && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

// The model goes with its weights when the session is there, as in a host that has no other use for it.
Session open_session(const BenchArguments& arguments, Tensors& inputs, Result& result) {
  const auto begin = Clock::now();
  const Model model = Model::load(arguments.common.model);
  result.read_ms = ms_since(begin);
  inputs = read_inputs(arguments.files, model);
  Session session(model, session_options(arguments.common, model, inputs));
  result.load_ms = ms_since(begin);
  result.model = model.name();
  result.info = session.info();
  return session;
}

Result measure(const BenchArguments& arguments) {
  Result result;
  Tensors inputs;
  const Session session = open_session(arguments, inputs, result);
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
  result.peak_rss_mb = peak_rss_mb();
  result.kernel_ms = profile(session, context);
  const bool on_cpu = result.info.device == Device::cpu;
  if (arguments.profile && on_cpu) {
    result.peak_gflops = fma_peak_gflops(result.info.threads);
    result.bandwidth = read_bandwidth(result.info.threads);
  }
  return result;
}

double gflops(const KernelInfo& kernel, double ms) {
  return ms > 0 ? static_cast<double>(kernel.flops) / ms * 1e-6 : 0;
}

// How near a kernel is to the two roofs: the fraction of its time that its arithmetic would take at the FMA peak, and
// that its bytes would take at the bandwidth of where they fit.
struct Roofs {
  double fma = 0, bandwidth = 0;
  std::string nearer;  // "fma", "cache" or "memory"; "" where neither is known
};

Roofs roofs(const Result& result, size_t k) {
  const KernelInfo& kernel = result.info.plan[k];
  const Bandwidth& bandwidth = result.bandwidth;
  Roofs roofs;
  if (result.kernel_ms[k] <= 0) return roofs;
  const double seconds = result.kernel_ms[k] * 1e-3;
  const bool fits = kernel.bytes <= bandwidth.cache_bytes / 2;
  const double gbs = fits ? bandwidth.cache_gbs : bandwidth.memory_gbs;
  if (result.peak_gflops > 0) roofs.fma = static_cast<double>(kernel.flops) * 1e-9 / result.peak_gflops / seconds;
  if (gbs > 0) roofs.bandwidth = static_cast<double>(kernel.bytes) * 1e-9 / gbs / seconds;
  if (std::max(roofs.fma, roofs.bandwidth) > 0) {
    roofs.nearer = roofs.fma >= roofs.bandwidth ? "fma" : fits ? "cache" : "memory";
  }
  return roofs;
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
  json["peak_rss_mb"] = result.peak_rss_mb;
  json["resident_mb"] = result.resident_mb;
  if (result.peak_gflops > 0) json["fma_peak_gflops"] = result.peak_gflops;
  if (result.bandwidth.memory_gbs > 0) {
    json["read_gbs"] = {{"memory", result.bandwidth.memory_gbs}, {"cache", result.bandwidth.cache_gbs}};
  }
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
    if (result.bandwidth.memory_gbs <= 0) continue;
    const Roofs near = roofs(result, k);
    Json& row = json["kernels"].back();
    row["gbs"] = static_cast<double>(kernel.bytes) / result.kernel_ms[k] * 1e-6;
    row["fma_fraction"] = near.fma;
    row["bandwidth_fraction"] = near.bandwidth;
    row["roof"] = near.nearer;
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
  fmt::print("memory MB    {:.0f} at most, {:.0f} after the runs\n", result.peak_rss_mb, result.resident_mb);
}

void print_profile(const Result& result) {
  double total = 0, flops = 0;
  for (size_t k = 0; k < result.kernel_ms.size(); ++k) {
    total += result.kernel_ms[k];
    flops += static_cast<double>(result.info.plan[k].flops);
  }
  // Of a device the roofs are not known.
  const bool has_roofs = result.info.device == Device::cpu;
  if (has_roofs) {
    fmt::print("\nFMA peak {:.0f} GFLOP/s, reading {:.0f} GB/s from memory, {:.0f} GB/s from cache, on {} threads\n",
               result.peak_gflops, result.bandwidth.memory_gbs, result.bandwidth.cache_gbs, result.info.threads);
  }
  const auto roof_columns = [&](const Roofs& near) {
    if (!has_roofs) return std::string();
    return fmt::format(" {:>6.1f} {:>6.1f} {:<6}", 100 * near.fma, 100 * near.bandwidth, near.nearer);
  };
  fmt::print("{:>9} {:>5} {:>8}{}  {:<8} {:<10} {:<40} {}\n", "ms", "%", "GFLOP/s",
             has_roofs ? "  peak%  band% roof  " : "", "provider", "algorithm", "kernel", "layout");
  for (size_t k = 0; k < result.kernel_ms.size(); ++k) {
    const KernelInfo& kernel = result.info.plan[k];
    const double ms = result.kernel_ms[k];
    fmt::print("{:>9.4f} {:>5.1f} {:>8.1f}{}  {:<8} {:<10} {:<40} {}\n", ms, total > 0 ? 100 * ms / total : 0,
               gflops(kernel, ms), roof_columns(roofs(result, k)), kernel.provider, kernel.algorithm,
               kernel.name + " " + kernel.op, kernel.layout);
  }
  const double speed = total > 0 ? flops / total * 1e-6 : 0;
  const double fraction = result.peak_gflops > 0 ? 100 * speed / result.peak_gflops : 0;
  fmt::print("{:>9.4f} {:>5.1f} {:>8.1f}{}  total\n", total, 100.0, speed,
             has_roofs ? fmt::format(" {:>6.1f}", fraction) : "");
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
  command->add_flag(
      "--profile", arguments->profile,
      "table per kernel: time, GFLOP/s, fractions of the FMA peak and of the bandwidth, and which is nearer");
  command->callback([arguments] { bench(*arguments); });
}

}  // namespace altrt::tool
