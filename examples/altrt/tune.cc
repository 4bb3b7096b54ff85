// altrt tune: searches for better layouts and loops within a budget.
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <atomic>
#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common.h"

namespace altrt::tool {
namespace {

std::atomic<bool> interrupted{false};
extern "C" void on_interrupt(int) { interrupted = true; }

/// Ctrl-C ends the tuning, not the program, while this lives.
class InterruptGuard {
 public:
  InterruptGuard() {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &saved_);
  }
  ~InterruptGuard() { sigaction(SIGINT, &saved_, nullptr); }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction saved_ {};
};

void print_progress(const TuningProgress& progress) {
  fmt::print(stderr, "\r\x1b[K{} {:.0f} s, {} trials, {:.3f} ms  [{}/{}] {:.50}", progress.phase, progress.elapsed_s,
             progress.trials, progress.best_ms, progress.task_index + 1, progress.task_count, progress.task);
}

/// Groups that were tuned as one task have the same times and layouts.
struct Row {
  int count = 0;
  const KernelInfo* kernel = nullptr;
};

void print_table(const SessionInfo& info) {
  std::map<std::string, Row> rows;
  std::vector<std::string> order;
  double before = 0, after = 0;
  for (const KernelInfo& kernel : info.plan) {
    if (kernel.tuned_ms <= 0) continue;
    const std::string key = fmt::format("{} {} {} {}", kernel.op, kernel.untuned_ms, kernel.tuned_ms, kernel.layout);
    if (!rows.contains(key)) order.push_back(key);
    Row& row = rows[key];
    ++row.count;
    if (!row.kernel) row.kernel = &kernel;
    before += kernel.untuned_ms;
    after += kernel.tuned_ms;
  }
  fmt::print("{:>5} {:>10} {:>10} {:>6}  {:<10} {:<44} {}\n", "times", "before ms", "after ms", "gain", "algorithm",
             "group", "layout");
  for (const std::string& key : order) {
    const KernelInfo& kernel = *rows[key].kernel;
    fmt::print("{:>5} {:>10.4f} {:>10.4f} {:>5.2f}x  {:<10} {:<44} {}\n", rows[key].count, kernel.untuned_ms,
               kernel.tuned_ms, kernel.untuned_ms / kernel.tuned_ms, kernel.algorithm, kernel.name + " " + kernel.op,
               kernel.layout);
  }
  if (after > 0) fmt::print("      {:>10.4f} {:>10.4f} {:>5.2f}x  measured groups\n", before, after, before / after);
}

nlohmann::json to_json(const SessionInfo& info, const nlohmann::json& curve) {
  nlohmann::json kernels = nlohmann::json::array();
  for (const KernelInfo& kernel : info.plan) {
    kernels.push_back({{"name", kernel.name},
                       {"op", kernel.op},
                       {"provider", kernel.provider},
                       {"algorithm", kernel.algorithm},
                       {"layout", kernel.layout},
                       {"flops", kernel.flops},
                       {"untuned_ms", kernel.untuned_ms},
                       {"tuned_ms", kernel.tuned_ms}});
  }
  return {{"trials", info.trials},
          {"seconds", info.tune_ms / 1e3},
          {"search_seconds", info.search_ms / 1e3},
          {"threads", info.threads},
          {"progress", curve},
          {"kernels", kernels}};
}

void tune(Common& common, const std::string& json) {
  const Model model = Model::load(common.model);
  SessionOptions options = session_options(common, model, {});
  const bool terminal = isatty(STDERR_FILENO) == 1;
  nlohmann::json curve = nlohmann::json::array();
  options.tuning.progress = [&](const TuningProgress& progress) {
    if (!json.empty()) curve.push_back({progress.elapsed_s, progress.trials, progress.best_ms, progress.phase});
    if (terminal) print_progress(progress);
    return !interrupted;
  };
  const auto session = [&] {
    const InterruptGuard guard;
    return Session(model, options);
  }();
  if (terminal) fmt::print(stderr, "\r\x1b[K");
  const SessionInfo info = session.info();
  const std::string where = info.device == Device::cpu ? fmt::format("{} threads", info.threads) : info.device_name;
  fmt::print("{}, {}: {} trials in {:.1f} s, {:.0f} % of it for proposing and learning{}\n", model.name(), where,
             info.trials, info.tune_ms / 1e3, info.tune_ms > 0 ? 100 * info.search_ms / info.tune_ms : 0.0,
             interrupted ? " (interrupted)" : "");
  print_table(info);
  if (json.empty()) return;
  std::ofstream file(json);
  file << to_json(info, curve).dump(1) << "\n";
  if (!file) throw Error(ErrorCode::invalid_argument, "cannot write " + json);
}

}  // namespace

void add_tune(CLI::App& app, int&) {
  CLI::App* command = app.add_subcommand("tune", "search for better layouts and loops; Ctrl-C keeps what was found");
  auto common = std::make_shared<Common>();
  common->budget = "60s";
  add_common(*command, *common);
  auto json = std::make_shared<std::string>();
  command->add_option("--json", *json,
                      "writes trials, kernels, and the progress as [seconds, trials, best estimate in ms, phase]");
  command->callback([common, json] { tune(*common, *json); });
}

}  // namespace altrt::tool
