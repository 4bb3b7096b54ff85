#include "runtime/session/cache.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <set>
#include <utility>

#include "jit/compile/devices.h"
#include "runtime/base/build_info.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/graph/content_hash.h"
#include "runtime/records/folder.h"
#include "runtime/session/hand_made.h"

namespace altrt::session {
namespace {

// All bundles of a folder together.
constexpr int64_t kMaxBundleBytes = int64_t{1} << 30;

const char* name_of(Search search) {
  constexpr const char* kNames[] = {"joint", "loops-only", "loops-packed", "propagate-only"};
  return kNames[static_cast<int>(search)];
}

std::string mode_of(const SessionOptions& options) {
  std::set<std::string> providers(options.providers.begin(), options.providers.end());
  providers.insert("own");
  std::string text = options.numerics == Numerics::strict ? "strict" : "standard";
  if (options.memory == Memory::lean) text += " lean";
  for (const std::string& provider : providers) text += " " + provider;
  if (!options.algorithm.empty()) text += " algorithm=" + options.algorithm;
  if (options.tuning.search != Search::joint) text += std::string(" search=") + name_of(options.tuning.search);
  return text + mode_of_hand_made(options);
}

std::string features_of(const jit::Target& target) {
  if (target.is_gpu()) return target.features + " multiprocessors=" + std::to_string(target.multiprocessors);
  return target.features + " lanes=" + std::to_string(target.lanes);
}

uint64_t hash_of(const records::ModelRecord& record) {
  if (record.decisions.empty()) return 0;
  base::Hasher hasher;
  for (const std::string& decision : record.decisions) hasher.add(decision);
  return hasher.value();
}

// Error(invalid_argument) if kept code does not fit the Computation that it is said to be made from.
void check_code(const records::Bundle::Code& code, const jit::Computation& group, const jit::Computation& c) {
  const auto fail = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, what); };
  if (code.computation != jit::hash(group)) fail("computation of a group differs");
  const auto tensors = static_cast<int>(c.tensors.size());
  for (const jit::CompiledKernel& kernel : code.kernels) {
    for (size_t a = 0; a < kernel.arguments.size(); ++a) {
      if (kernel.arguments[a] >= tensors) fail("argument of " + kernel.object.name);
      const jit::Role role = c.tensors[static_cast<size_t>(kernel.arguments[a])].role;
      const bool given = role == jit::Role::input || role == jit::Role::constant;
      if (kernel.written[a] && given) fail(kernel.object.name + " writes an input");
    }
  }
}

CompiledGroups restore(const records::Bundle& bundle, const std::vector<graph::Group>& groups,
                       const jit::Target& target) {
  if (bundle.groups.size() != groups.size()) throw Error(ErrorCode::invalid_argument, "number of groups differs");
  CompiledGroups result;
  for (size_t g = 0; g < groups.size(); ++g) {
    const records::Bundle::Group& kept = bundle.groups[g];
    if (groups[g].host != (kept.code < 0)) throw Error(ErrorCode::invalid_argument, "host groups differ");
    result.of_group.push_back(kept.code);
    result.decisions.push_back(kept.decision.empty() ? jit::GroupDecision() : jit::parse_decision(kept.decision));
  }
  for (const records::Bundle::Code& code : bundle.code) {
    const auto source = static_cast<size_t>(code.source);
    const jit::GroupDecision& decision = result.decisions[source];
    auto compiled = std::make_shared<jit::CompiledGroup>();
    compiled->computation = decision.provider == "own"
                                ? jit::compiled_computation(groups[source].computation, decision)
                                : jit::apply_algorithm(groups[source].computation, decision.algorithm);
    check_code(code, groups[source].computation, compiled->computation);
    for (const jit::CompiledKernel& kernel : code.kernels) {
      if (kernel.object.bytes.empty() == (decision.provider == "own")) {
        throw Error(ErrorCode::invalid_argument, "no code for " + kernel.object.name);
      }
      if ((kernel.object.threads > 0) != target.is_gpu()) {
        throw Error(ErrorCode::invalid_argument, kernel.object.name + " is not for this kind of device");
      }
    }
    compiled->layouts = decision.layouts;
    compiled->kernels = code.kernels;
    result.sources.push_back(code.source);
    result.compiled.push_back(std::move(compiled));
  }
  return result;
}

}  // namespace

SessionCache::SessionCache(const SessionOptions& options, const Machine& machine, const graph::Graph& graph,
                           base::Team& team)
    : options_(options),
      machine_(machine),
      model_(graph.name),
      folder_(records::cache_folder(options.cache.directory)) {
  // What is decided and made for a device does not depend on the host's threads.
  key_.where = {features_of(machine.target), machine.device ? 0 : team.threads(), mode_of(options)};
  if (folder_.empty()) {
    miss("no folder");
    return;
  }
  key_.model = graph::content_hash(graph, team);
  guarded(records::kRecordsFile, [&] {
    records::ReadRecords read = records::read_records(folder_ + "/" + records::kRecordsFile);
    if (!read.trouble.empty()) trouble(records::kRecordsFile, read.trouble);
    records_ = std::move(read.records);
  });
  const auto found = records_.models.find(key_);
  if (found != records_.models.end()) known_ = found->second;
}

void SessionCache::trouble(const std::string& file, const std::string& what) {
  const std::string line = file + ": " + what;
  miss(line);
  base::log(base::LogLevel::warning, "cache " + folder_ + "/" + line);
}

void SessionCache::guarded(const std::string& file, base::FunctionRef<void()> action) {
  try {
    action();
  } catch (const std::exception& error) {
    trouble(file, error.what());
  }
}

bool SessionCache::prepare_folder() {
  if (folder_.empty() || !was_writable_) return false;
  const std::string what = records::make_folder(folder_);
  if (what.empty()) return true;
  was_writable_ = false;
  trouble("", what);
  return false;
}

std::string SessionCache::path(const std::string& suffix) const {
  const uint64_t where = base::Hasher().add(key_.where.features).add(key_.where.threads).add(key_.where.mode).value();
  return folder_ + "/" + base::hex(key_.model) + "-" + base::hex(where) + suffix;
}

// Everything that code depends on beside the model's groups, which are compared one by one.
records::Fingerprint SessionCache::fingerprint() const {
  const base::BuildInfo build = base::build_info();
  return {{"model", base::hex(key_.model)},
          {"library", std::string(build.version) + " " + build.commit},
          {"build", records::build_id()},
          jit::code_generator(machine_.target),
          {"target", jit::to_string(machine_.target)},
          {"threads", std::to_string(key_.where.threads)},
          {"mode", key_.where.mode},
          {"name", model_}};
}

bool SessionCache::wants_tuning() const {
  const TuningOptions& tuning = options_.tuning;
  const double budget = std::chrono::duration<double>(tuning.budget).count();
  if (tuning.mode == TuningMode::off || (budget <= 0 && tuning.max_trials <= 0)) return false;
  const records::Spent& spent = known_.spent;
  if (budget > 0 && (budget <= spent.budget_seconds || budget <= spent.seconds)) return false;
  return tuning.max_trials <= 0 || (tuning.max_trials > spent.budget_trials && tuning.max_trials > spent.trials);
}

std::optional<LoadedGroups> SessionCache::find_code(const std::vector<graph::Group>& groups,
                                                    plan::Conversions* conversions) {
  if (folder_.empty() || !options_.cache.objects) {
    if (!folder_.empty()) miss("code is not cached by option");
    return std::nullopt;
  }
  const std::string file = path(records::kBundleSuffix);
  const std::string name = file.substr(folder_.size() + 1);
  records::Fingerprint fingerprint = this->fingerprint();
  // Where there is no NVRTC nothing could be made anew: what any version of it made is taken.
  if (machine_.target.is_gpu() && fingerprint["nvrtc"].empty()) {
    fingerprint["nvrtc"] = records::bundle_fingerprint(file)["nvrtc"];
  }
  records::ReadBundle read = records::read_bundle(file, fingerprint);
  if (!read.trouble.empty()) trouble(name, read.trouble);
  if (!read.bundle) {
    if (read.trouble.empty()) miss("no code for this model, machine and options yet");
    return std::nullopt;
  }
  const records::Bundle& bundle = *read.bundle;
  const uint64_t wanted = hash_of(known_);
  if (wanted != 0 && wanted != bundle.records) {
    miss("the records know a better plan than the code that was kept");
    return std::nullopt;
  }
  known_.spent = records::larger(known_.spent, bundle.spent);
  try {
    LoadedGroups loaded{restore(bundle, groups, machine_.target), {}};
    if (wanted == 0 && bundle.records != 0) {
      for (const records::Bundle::Group& group : bundle.groups) known_.decisions.push_back(group.decision);
    }
    if (wants_tuning()) {
      miss("the budget is larger than what was spent");
      return std::nullopt;
    }
    loaded.code = load_groups(loaded.groups, groups, machine_.device.get());
    for (const records::Bundle::Conversion& kept : bundle.conversions) {
      const bool fits = conversions && (kept.kernel.object.threads > 0) == machine_.target.is_gpu();
      if (!fits || !conversions->keep(kept.key, kept.kernel)) {
        throw Error(ErrorCode::invalid_argument, "conversion " + kept.key);
      }
    }
    records::touch(file);
    return loaded;
  } catch (const std::exception& error) {
    trouble(name, error.what());
    return std::nullopt;
  }
}

graph::Decisions SessionCache::with_records(graph::Decisions defaults, const std::vector<graph::Group>& groups) {
  if (known_.decisions.empty()) return defaults;
  if (known_.decisions.size() != groups.size()) {
    trouble(records::kRecordsFile, "plan of " + model_ +
                                       ": number of groups differs: " + std::to_string(known_.decisions.size()) +
                                       " -> " + std::to_string(groups.size()));
    return defaults;
  }
  std::set<std::string> checked;
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].host || known_.decisions[g].empty()) continue;
    try {
      jit::GroupDecision decision = jit::parse_decision(known_.decisions[g]);
      if (machine_.device && decision.provider != "own") {
        throw Error(ErrorCode::unsupported, "provider '" + decision.provider + "' computes nothing on a device");
      }
      if (checked.insert(code_key(groups[g].computation, decision)).second) check_decision(decision, groups[g]);
      defaults[g] = std::move(decision);
    } catch (const std::exception& error) {
      trouble(records::kRecordsFile, "group '" + groups[g].name + "' of " + model_ + ": " + error.what());
    }
  }
  return defaults;
}

std::unique_ptr<records::TrialLog> SessionCache::open_log() {
  if (!prepare_folder()) return nullptr;
  const std::string file = path(records::kTrialLogSuffix);
  auto log = std::make_unique<records::TrialLog>(file, fingerprint());
  if (!log->trouble().empty()) trouble(file.substr(folder_.size() + 1), log->trouble());
  return log;
}

void SessionCache::add(records::ModelRecord plan, std::map<uint64_t, records::TaskRecord> tasks) {
  known_ = std::move(plan);
  known_.time = std::time(nullptr);
  if (!prepare_folder()) return;
  records::Records news;
  news.models[key_] = known_;
  for (auto& entry : tasks) {
    entry.second.time = known_.time;
    news.tasks[{entry.first, key_.where}] = std::move(entry.second);
  }
  records::Records merged;
  std::string what;
  guarded(records::kRecordsFile, [&] { what = records::add_records(folder_, news, &merged); });
  if (!what.empty()) {
    was_writable_ = false;
    return trouble(records::kRecordsFile, what);
  }
  const auto kept = merged.models.find(key_);
  if (kept != merged.models.end() && kept->second.decisions == known_.decisions) known_ = kept->second;
  records_ = std::move(merged);
}

void SessionCache::save_code(const CompiledGroups& compiled, const std::vector<graph::Group>& groups,
                             const plan::Conversions* conversions) {
  if (!options_.cache.objects || !prepare_folder()) return;
  records::Bundle bundle;
  bundle.records = hash_of(known_);
  bundle.spent = known_.spent;
  for (size_t g = 0; g < groups.size(); ++g) {
    bundle.groups.push_back({compiled.of_group[g], groups[g].host ? "" : jit::to_string(compiled.decisions[g])});
  }
  for (size_t c = 0; c < compiled.compiled.size(); ++c) {
    const int source = compiled.sources[c];
    bundle.code.push_back(
        {source, jit::hash(groups[static_cast<size_t>(source)].computation), compiled.compiled[c]->kernels});
  }
  if (conversions) {
    for (const auto& [key, conversion] : conversions->all()) bundle.conversions.push_back({key, conversion.kernel});
  }
  const std::string file = path(records::kBundleSuffix);
  const std::string name = file.substr(folder_.size() + 1);
  guarded(name, [&] {
    const std::string what = records::write_bundle(file, fingerprint(), bundle);
    if (what.empty()) return records::limit_bundles(folder_, kMaxBundleBytes);
    was_writable_ = false;
    trouble(name, what);
  });
}

}  // namespace altrt::session
