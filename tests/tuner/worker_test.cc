// Tuning in workers: what bad candidates do stays there, and all else is as it is in this process.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "runtime/base/log.h"
#include "runtime/base/trace.h"
#include "tests/tuner/bad_workers.h"
#include "tests/tuner/groups.h"
#include "tuner/search/task_search.h"
#include "tuner/tune.h"

namespace altrt::tuner {
namespace {

bool is_long() { return std::getenv("ALTRT_TEST_LONG") != nullptr; }

/// Of this process and of its workers.
struct Holdings {
  int64_t descriptors = 0, maps = 0, resident_kb = 0;
};

Holdings holdings_of(pid_t pid) {
  Holdings held;
  const std::string folder = "/proc/" + std::to_string(pid);
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/fd")) {
    static_cast<void>(entry);
    ++held.descriptors;
  }
  if (FILE* file = std::fopen((folder + "/maps").c_str(), "re")) {
    for (int c; (c = std::fgetc(file)) != EOF;) held.maps += c == '\n';
    std::fclose(file);
  }
  if (FILE* file = std::fopen((folder + "/statm").c_str(), "re")) {
    long size = 0, resident = 0, shared = 0;
    if (std::fscanf(file, "%ld %ld %ld", &size, &resident, &shared) == 3) held.resident_kb = 4 * (resident - shared);
    std::fclose(file);
  }
  return held;
}

void print(const char* what, const Holdings& held) {
  std::printf("%-24s %4lld descriptors %5lld maps %7lld KB of its own\n", what,
              static_cast<long long>(held.descriptors), static_cast<long long>(held.maps),
              static_cast<long long>(held.resident_kb));
}

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest()
      : target_(jit::host_target()), groups_(conv_model({1, 32, 14, 14}, {64, 32, 3, 3}, 1, 1), target_), team_(2) {
    use_worker();
  }

  const Task& task() const { return groups_.tasks[0]; }
  std::vector<jit::GroupDecision> proposals(size_t count, uint64_t seed = 1) {
    TaskSearch search(
        make_spaces(*task().computation, task().initial, target_, jit::algorithms(*task().computation), {}),
        task().initial, {}, seed);
    return search.propose(count, [](const std::vector<Features>&) { return std::vector<double>(); });
  }
  std::unique_ptr<Measurer> measurer(std::shared_ptr<Workers> workers) {
    Candidate initial = load(task().initial, jit::compile(*task().computation, task().initial, target_, "initial"));
    return std::make_unique<Measurer>(task(), std::move(initial), "altrt_t0_",
                                      MeasurerOptions{target_, team_, nullptr, false, 1, std::move(workers)});
  }
  TuneRequest request(const TuningOptions& options) {
    return {groups_.graph, groups_.groups, groups_.decisions, groups_.decisions, target_, team_, weights_, options};
  }

  const jit::Target target_;
  const Groups groups_;
  base::Team team_;
  plan::WeightStore weights_;
};

const auto never = [] { return false; };

TEST_F(WorkerTest, CandidatesAreMeasuredThere) {
  const std::shared_ptr<Workers> workers = Workers::start(team_, target_);
  ASSERT_TRUE(workers);
  const auto there = measurer(workers), here = measurer(nullptr);
  const std::vector<jit::GroupDecision> decisions = proposals(24);
  const std::vector<Outcome> a = there->measure(decisions, never), b = here->measure(decisions, never);
  int measured = 0;
  for (size_t i = 0; i < decisions.size(); ++i) {
    EXPECT_EQ(a[i].measured, b[i].measured) << a[i].reason << " | " << b[i].reason;
    measured += a[i].measured;
  }
  EXPECT_GT(measured, 12);
  EXPECT_FALSE(there->incumbent_candidate().loaded.empty());
  EXPECT_TRUE(there->incumbent_candidate().loaded[0]->function());
  std::printf("initial decision: %.4f ms in a worker, %.4f ms here; %d of %zu measured\n", there->initial_ms(),
              here->initial_ms(), measured, decisions.size());
}

TEST_F(WorkerTest, ObjectsAndResultsAreTheSame) {
  const std::shared_ptr<Workers> workers = Workers::start(team_, target_);
  ASSERT_TRUE(workers);
  const auto data = std::make_shared<const Data>(exact_data(*task().computation, false, 3));
  Bench here(data, team_, make_machine(team_, target_)), there(data, team_, make_machine(team_, target_, workers));
  const jit::Computation& c = *task().computation;
  const std::string output = c.tensors[static_cast<size_t>(c.with_role(jit::Role::output)[0])].name;
  int compared = 0;
  for (const jit::GroupDecision& decision : proposals(12)) {
    jit::CompiledGroup a, b;
    try {
      a = jit::compile(*task().computation, decision, target_, "twin");
      b = jit::compile(*task().computation, decision, target_, "twin", jit::MathMode::expanded, workers->emitter(0));
    } catch (const Error&) {
      continue;  // refused before LLVM sees it
    }
    for (size_t k = 0; k < a.kernels.size(); ++k) {
      EXPECT_EQ(a.kernels[k].object.bytes, b.kernels[k].object.bytes);
      EXPECT_EQ(a.kernels[k].object.frame_bytes, b.kernels[k].object.frame_bytes);
    }
    const auto results = [&](Bench& bench, jit::CompiledGroup group) {
      const Candidate candidate = bench.candidate(decision, std::move(group));
      Bound bound = bench.bind(candidate);
      bench.poison(bound);
      bench.run_constants(bound);
      base::Team::Lease lease(team_);
      EXPECT_TRUE(bench.run_until(bound, lease, 5000, never));
      EXPECT_EQ(bench.damage(bound), "");
      return bench.read(bound, output);
    };
    const Tensor x = results(here, std::move(a)), y = results(there, std::move(b));
    ASSERT_EQ(x.bytes(), y.bytes());
    EXPECT_EQ(std::memcmp(x.data(), y.data(), x.bytes()), 0) << jit::to_string(decision);
    ++compared;
  }
  EXPECT_GT(compared, 6);
}

/// What each kind of bad candidate may be told apart by.
bool is_expected(const std::string& kind, const std::string& reason) {
  static const std::map<std::string, std::vector<std::string>> reasons{
      {"loop", {"killed: ran longer"}},
      {"crash", {"crashed: SIG"}},
      {"beside", {"writes beside a buffer", "touched memory outside"}},
      {"wild", {"touched memory outside", "crashed", "writes beside", "killed"}},
      {"memory", {"crashed: SIG", "out of memory", "killed: ran longer"}},
      {"abort", {"aborted"}},
      {"bomb", {"compiling: killed", "compiling: out of memory"}}};
  // On a machine that is kept busy the real kernel, which is compiled first, may not be ready in time.
  if (reason.rfind("compiling: killed", 0) == 0) return true;
  return std::any_of(reasons.at(kind).begin(), reasons.at(kind).end(),
                     [&](const std::string& one) { return reason.find(one) != std::string::npos; });
}

class BadCandidates : public WorkerTest, public testing::WithParamInterface<std::string> {};

// A long run (ALTRT_TEST_LONG set) tries a hundred of each kind.
TEST_P(BadCandidates, AreEndedAndNeverChosen) {
  const int count = is_long() ? 100 : 3;
  const auto workers = std::make_shared<BadWorkers>(team_, target_, std::vector<std::string>{GetParam()}, 2);
  const auto here = measurer(workers);
  ASSERT_TRUE(here->measure({}, never).empty());  // the reference and the initial decision
  int found = 0, measured = 0;
  double longest_s = 0;
  std::map<std::string, int> reasons;
  for (uint64_t seed = 1; workers->count() < count; ++seed) {
    for (const jit::GroupDecision& decision : proposals(4, seed)) {
      const int before = workers->count();
      const base::Stopwatch watch;
      const Outcome outcome = here->measure({decision}, never)[0];
      measured += outcome.measured;
      if (workers->count() == before) continue;
      longest_s = std::max(longest_s, watch.seconds());
      EXPECT_FALSE(outcome.measured);
      EXPECT_FALSE(outcome.is_best);
      EXPECT_TRUE(is_expected(GetParam(), outcome.reason)) << outcome.reason;
      found += !outcome.measured;
      ++reasons[outcome.reason.substr(0, 40)];
    }
  }
  for (const jit::CompiledKernel& kernel : here->incumbent_candidate().group->kernels) {
    EXPECT_FALSE(workers->is_bad(kernel.object));
  }
  EXPECT_EQ(found, workers->count());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // Each is ended within a second; the rest is for a machine that others keep busy.
  EXPECT_LT(longest_s, 5);
#endif
  EXPECT_GT(measured, 0) << "good candidates go on being measured";
  std::printf("%-7s %3d of %3d ended, the longest took %.2f s, %d good ones measured\n", GetParam().c_str(), found,
              workers->count(), longest_s, measured);
  for (const auto& [reason, times] : reasons) std::printf("    %3d x %s\n", times, reason.c_str());
}

INSTANTIATE_TEST_SUITE_P(Kinds, BadCandidates, testing::ValuesIn(bad_kinds()),
                         [](const auto& info) { return info.param; });

TEST_F(WorkerTest, TuningAmongBadCandidatesKeepsItsBudget) {
  TuningOptions options;
  options.budget = std::chrono::seconds(8);
  TuneRequest tuning = request(options);
  const auto workers = std::make_shared<BadWorkers>(team_, target_, bad_kinds(), 4);
  tuning.workers = workers;
  std::map<std::string, int> failed;
  tuning.on_trial = [&](const TrialReport& trial) {
    EXPECT_EQ(trial.ms <= 0, !trial.reason.empty());
    if (!trial.reason.empty()) ++failed[trial.reason];
  };
  const TuneResult result = tune(tuning);
  EXPECT_LE(result.seconds, 12.0) << "a second beyond the budget, and more where others keep the machine busy";
  EXPECT_GT(workers->count(), 0);
  EXPECT_FALSE(failed.empty());
  EXPECT_GT(result.trials, workers->count());
  for (const plan::GroupCode& code : result.code) {
    for (const jit::CompiledKernel& kernel : code.compiled->kernels) EXPECT_FALSE(workers->is_bad(kernel.object));
  }
  std::printf("%lld trials in %.2f s, %d of them bad\n", static_cast<long long>(result.trials), result.seconds,
              workers->count());
}

TEST_F(WorkerTest, AWorkerThatIsKilledIsStartedAgain) {
  const std::shared_ptr<Workers> workers = Workers::start(team_, target_);
  ASSERT_TRUE(workers);
  const auto there = measurer(workers);
  int measured = 0;
  const std::vector<jit::GroupDecision> decisions = proposals(12);
  for (size_t i = 0; i < decisions.size(); i += 3) {
    for (const Outcome& outcome : there->measure(
             {decisions.begin() + static_cast<ptrdiff_t>(i), decisions.begin() + static_cast<ptrdiff_t>(i) + 3},
             never)) {
      measured += outcome.measured;
      EXPECT_EQ(outcome.reason.find("crashed"), std::string::npos) << "the innocent are tried again";
    }
    kill(workers->runner().pid(), SIGKILL);
  }
  EXPECT_GT(measured, 6);
  EXPECT_GE(workers->runner().generation(), 4);
}

// A long run makes ten thousand.
TEST_F(WorkerTest, NothingGrows) {
  constexpr int kComeAndGo = 64;  // maps of candidates; one that stayed for each trial would be 400 and more
  const int trials = is_long() ? 10'000 : 600;
  const std::shared_ptr<Workers> workers = Workers::start(team_, target_);
  ASSERT_TRUE(workers);
  const auto there = measurer(workers);
  int done = 0;
  const auto make_some = [&](int count) {
    for (uint64_t seed = 1; count > 0; ++seed) {
      const std::vector<jit::GroupDecision> decisions = proposals(16, seed % 20 + 1);
      there->measure(decisions, never);
      count -= static_cast<int>(decisions.size());
      done += static_cast<int>(decisions.size());
    }
  };
  make_some(trials / 3);
  const Holdings host = holdings_of(getpid()), worker = holdings_of(workers->runner().pid());
  print("host, after a third", host);
  print("worker, after a third", worker);
  make_some(trials - trials / 3);
  const Holdings host_end = holdings_of(getpid()), worker_end = holdings_of(workers->runner().pid());
  print("host, in the end", host_end);
  print("worker, in the end", worker_end);
  std::printf("%d trials, worker started %d times\n", done, workers->runner().generation());
  EXPECT_LE(host_end.descriptors, host.descriptors);
  EXPECT_LE(worker_end.descriptors, worker.descriptors);
  EXPECT_LE(host_end.maps, host.maps + kComeAndGo);
  EXPECT_LE(worker_end.maps, worker.maps + kComeAndGo);
  EXPECT_LE(host_end.resident_kb, host.resident_kb + 24 * 1024);
  EXPECT_LE(worker_end.resident_kb, worker.resident_kb + 24 * 1024);
}

TEST_F(WorkerTest, WithoutAWorkerThereIsOneWarning) {
  for (const char* program : {"/nowhere/altrt-worker", "/bin/true", "/bin/cat", "/etc/passwd"}) {
    setenv("ALTRT_WORKER", program, 1);
    std::vector<std::string> warnings;
    TuneResult result;
    {
      const base::LogScope scope([&](base::LogLevel, std::string_view text) { warnings.emplace_back(text); },
                                 base::LogLevel::warning);
      TuningOptions options;
      options.max_trials = 6;
      result = tune(request(options));
    }
    use_worker();
    EXPECT_EQ(result.trials, 6);
    EXPECT_GT(result.tasks[0].initial_ms, 0);
    ASSERT_EQ(warnings.size(), 1u) << program;
    EXPECT_NE(warnings[0].find(program), std::string::npos) << warnings[0];
  }
}

TEST_F(WorkerTest, NotIsolatedMeansNoWorkerAndNoWarning) {
  setenv("ALTRT_WORKER", "/nowhere", 1);
  int warnings = 0;
  {
    const base::LogScope scope([&](base::LogLevel, std::string_view) { ++warnings; }, base::LogLevel::warning);
    TuningOptions options;
    options.max_trials = 6;
    options.isolate = false;
    EXPECT_EQ(tune(request(options)).trials, 6);
  }
  use_worker();
  EXPECT_EQ(warnings, 0);
}

TEST_F(WorkerTest, TrialsOfAKilledTuningAreNotMadeAgain) {
  TuningOptions options;
  options.max_trials = 24;
  TuneRequest first = request(options);
  std::vector<TrialReport> trials;
  first.on_trial = [&](const TrialReport& trial) { trials.push_back(trial); };
  tune(first);
  ASSERT_EQ(trials.size(), 24u);
  trials[3].ms = 0;
  trials[3].reason = "killed: ran longer than 200 ms";
  TuneRequest next = request(options);
  next.earlier = trials;
  next.on_trial = [&](const TrialReport& trial) {
    for (const TrialReport& earlier : trials)
      EXPECT_FALSE(earlier.task == trial.task && earlier.decision == trial.decision);
  };
  EXPECT_EQ(tune(next).trials, 24);
}

}  // namespace
}  // namespace altrt::tuner
