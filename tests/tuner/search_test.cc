// Search: proposals are distinct and repeatable, the scheduler follows the gain, tuning keeps its limits.
#include <gtest/gtest.h>

#include <set>

#include "groups.h"
#include "tuner/search/scheduler.h"
#include "tuner/search/task_search.h"
#include "tuner/tune.h"

namespace altrt::tuner {
namespace {

std::vector<std::string> proposals(const Task& task, const jit::Target& target, uint64_t seed) {
  TaskSearch search(make_spaces(*task.computation, task.initial, target, jit::algorithms(*task.computation)),
                    task.initial, make_evolutionary_proposer, seed);
  const auto no_opinion = [](const std::vector<Features>&) { return std::vector<double>(); };
  std::vector<std::string> texts;
  for (int batch = 0; batch < 4; ++batch) {
    std::vector<Outcome> outcomes;
    for (const jit::GroupDecision& decision : search.propose(12, no_opinion)) {
      texts.push_back(jit::to_string(decision));
      Outcome outcome;
      outcome.measured = true;
      outcome.ms = 1 + static_cast<double>(jit::hash(decision) % 100);
      outcomes.push_back(outcome);
    }
    search.report(outcomes);
  }
  return texts;
}

TEST(TaskSearch, ProposalsAreDistinctAndDependOnTheSeedOnly) {
  const jit::Target target = jit::host_target();
  const Groups groups(conv_model({1, 32, 14, 14}, {64, 32, 3, 3}, 1, 1), target);
  const std::vector<std::string> first = proposals(groups.tasks[0], target, 1);
  EXPECT_EQ(first, proposals(groups.tasks[0], target, 1));
  EXPECT_NE(first, proposals(groups.tasks[0], target, 2));
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), first.size());
  EXPECT_EQ(first.size(), 48u);
}

TEST(TaskSearch, EndsWhenTheSpaceIsExhausted) {
  const jit::Target target = jit::host_target();
  const Groups groups(softmax_model(), target);
  EXPECT_LT(proposals(groups.tasks[0], target, 1).size(), 12u);
}

TEST(Choices, AreReadBack) {
  Choice choice{"winograd4", 1e9, {{"output_block", 16}}, {{"blocks", 2}, {"unroll", 4}}};
  EXPECT_EQ(parse_choice(to_string(choice)), choice);
  choice = {"direct", 12, {}, {}};
  EXPECT_EQ(parse_choice(to_string(choice)), choice);
  for (const char* text : {"", "direct", "direct layout a", "direct layout a=b", "direct layout =1",
                           "direct x=1 layout", "direct layout a=1 loops b=99999999999999999999"}) {
    EXPECT_THROW(parse_choice(text), Error) << text;
  }
}

TEST(Choices, MostSimilarFirstAndEachOnce) {
  const std::vector<Choice> choices{{"direct", 8, {}, {}}, {"winograd2", 100, {}, {}}, {"direct", 90, {}, {}}};
  const std::vector<Choice> found = most_similar(choices, 95, 5);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].algorithm, "winograd2");
  EXPECT_EQ(found[1].flops, 90);
  EXPECT_EQ(most_similar(choices, 1, 1)[0].flops, 8);
}

TEST(TaskSearch, BeginsWithWhatDidWellForASimilarGroup) {
  const jit::Target target = jit::host_target();
  const Groups groups(conv_model({1, 32, 14, 14}, {64, 32, 3, 3}, 1, 1), target);
  const Task& task = groups.tasks[0];
  const auto spaces = [&] {
    return make_spaces(*task.computation, task.initial, target, jit::algorithms(*task.computation));
  };
  const auto no_opinion = [](const std::vector<Features>&) { return std::vector<double>(); };
  for (const auto& layouts : spaces()) {
    const auto loops = layouts->loops(layouts->start());
    const Point point = loops->seeds().back();
    TaskSearch search(spaces(), task.initial, make_evolutionary_proposer, 1);
    search.suggest(Choice{layouts->algorithm(), 0, layouts->values(layouts->start()), loops->values(point)});
    const std::vector<jit::GroupDecision> first = search.propose(spaces().size(), no_opinion);
    EXPECT_EQ(std::count(first.begin(), first.end(), loops->decide(point)), 1) << layouts->algorithm();
  }
}

TEST(TaskSearch, ASuggestionComesNextAtAnyTime) {
  const jit::Target target = jit::host_target();
  const Groups groups(conv_model({1, 32, 14, 14}, {64, 32, 3, 3}, 1, 1), target);
  const Task& task = groups.tasks[0];
  const auto no_opinion = [](const std::vector<Features>&) { return std::vector<double>(); };
  const auto spaces = make_spaces(*task.computation, task.initial, target, {"direct"});
  TaskSearch search(make_spaces(*task.computation, task.initial, target, {"direct"}), task.initial,
                    make_evolutionary_proposer, 5);
  std::vector<Outcome> outcomes(search.propose(8, no_opinion).size());
  for (Outcome& outcome : outcomes) outcome.measured = true, outcome.ms = 1;
  search.report(outcomes);
  for (const Point& layout : spaces[0]->seeds()) {
    const auto loops = spaces[0]->loops(layout);
    const Point point = loops->seeds().back();
    search.suggest(Choice{"direct", 0, spaces[0]->values(layout), loops->values(point)});
    const std::vector<jit::GroupDecision> next = search.propose(1, no_opinion);
    ASSERT_EQ(next.size(), 1u);
    EXPECT_EQ(next[0], loops->decide(point));
    Outcome outcome;
    outcome.measured = true;
    outcome.ms = 2;
    search.report({outcome});
  }
}

TEST(TaskSearch, TriesLayoutsInTheJointStageOnly) {
  const jit::Target target = jit::host_target();
  const Groups groups(conv_model({1, 32, 14, 14}, {64, 32, 3, 3}, 1, 1), target);
  const Task& task = groups.tasks[0];
  const auto no_opinion = [](const std::vector<Features>&) { return std::vector<double>(); };
  for (const bool joint : {true, false}) {
    TaskSearch search(make_spaces(*task.computation, task.initial, target, {"direct"}), task.initial,
                      make_evolutionary_proposer, 3);
    if (!joint) search.end_joint_stage();
    double ms = 10;
    for (int batch = 0; batch < 6; ++batch) {
      std::vector<Outcome> outcomes(search.propose(8, no_opinion).size());
      for (Outcome& outcome : outcomes) outcome.measured = true, outcome.ms = ms -= 0.01;
      if (!outcomes.empty()) outcomes.back().is_best = true;
      EXPECT_EQ(search.report(outcomes).size(), outcomes.size());
    }
    if (!joint) {
      EXPECT_TRUE(search.tallies().empty());
      continue;
    }
    const Tally& layouts = search.tallies().at("layouts");
    EXPECT_GT(layouts.proposed, 0);
    EXPECT_EQ(layouts.proposed, layouts.measured);
    EXPECT_GT(layouts.won, 0);
    EXPECT_FALSE(search.best_choice().algorithm.empty());
  }
}

// Candidates that lose against what is there are given up before they are measured.
TEST(TaskSearch, TriesLayoutsWhereNoLoopsBeatTheUntunedOnes) {
  const jit::Target target = jit::host_target();
  const Groups groups(conv_model({1, 32, 14, 14}, {64, 32, 3, 3}, 1, 1), target);
  const Task& task = groups.tasks[0];
  const auto no_opinion = [](const std::vector<Features>&) { return std::vector<double>(); };
  TaskSearch search(make_spaces(*task.computation, task.initial, target, {"direct"}), task.initial,
                    make_evolutionary_proposer, 1);
  for (int batch = 0; batch < 4; ++batch) {
    const std::vector<jit::GroupDecision> proposal = search.propose(8, no_opinion);
    ASSERT_EQ(proposal.size(), 8u);
    search.report(std::vector<Outcome>(proposal.size()));
  }
  ASSERT_TRUE(search.tallies().contains("layouts"));
  EXPECT_GT(search.tallies().at("layouts").proposed, 0);
}

TEST(Scheduler, BudgetGoesWhereTheNetworkGains) {
  std::vector<Progress> tasks(3);
  tasks[0].ms = 1;
  tasks[1].ms = 5;
  tasks[2].ms = 1, tasks[2].weight = 4;
  EXPECT_EQ(choose_task(tasks), 1);
  tasks[1].measured = true, tasks[1].stalled = 6;
  EXPECT_EQ(choose_task(tasks), 2);
  tasks[2].done = true;
  EXPECT_EQ(choose_task(tasks), 0);
  tasks[0].done = tasks[1].done = true;
  EXPECT_EQ(choose_task(tasks), -1);
}

TEST(Tasks, EqualGroupsAreOneTask) {
  GraphBuilder b("twins");
  b.input("x", DataType::f32, {1, 32, 8, 8});
  std::string at = "x";
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    at = b.op("Relu", {b.op("Conv", {at, b.constant("w" + n, values({32, 32, 3, 3}, static_cast<uint64_t>(i)))},
                            {{"pads", Ints{1, 1, 1, 1}}})});
  }
  b.output(at);
  const Groups groups(b.build(), jit::host_target());
  size_t largest = 0, total = 0;
  for (const Task& task : groups.tasks) {
    largest = std::max(largest, task.groups.size());
    total += task.groups.size();
  }
  EXPECT_EQ(total, groups.groups.size());
  EXPECT_EQ(largest, 2u);  // the first reads the input, the last writes the output
}

class TuneTest : public ::testing::Test {
 protected:
  TuneTest()
      : target_(jit::host_target()), groups_(conv_model({1, 32, 20, 20}, {32, 32, 3, 3}, 1, 1), target_), team_(2) {}

  TuneResult tune_with(const TuningOptions& options) {
    return tune(
        {groups_.graph, groups_.groups, groups_.decisions, groups_.decisions, target_, team_, weights_, options});
  }

  const jit::Target target_;
  const Groups groups_;
  base::Team team_;
  plan::WeightStore weights_;
};

TEST_F(TuneTest, TrialsAreLimited) {
  TuningOptions options;
  options.max_trials = 20;
  const TuneResult result = tune_with(options);
  EXPECT_EQ(result.trials, 20);
  ASSERT_EQ(result.decisions.size(), groups_.groups.size());
  EXPECT_GT(result.tasks[0].initial_ms, 0);
  EXPECT_LE(result.tasks[0].best_ms, result.tasks[0].initial_ms);
  EXPECT_FALSE(result.records.empty());
  EXPECT_FALSE(to_string(result).empty());
}

TEST_F(TuneTest, SecondsAreLimited) {
  TuningOptions options;
  options.budget = std::chrono::milliseconds(1500);
  const TuneResult result = tune_with(options);
  EXPECT_LE(result.seconds, 2.5);
  EXPECT_FALSE(result.cancelled);
}

TEST_F(TuneTest, CancelKeepsWhatWasFound) {
  TuningOptions options;
  options.budget = std::chrono::seconds(60);
  int calls = 0;
  options.progress = [&](const TuningProgress& progress) {
    EXPECT_EQ(progress.task_count, static_cast<int>(groups_.tasks.size()));
    return ++calls < 4;
  };
  const TuneResult result = tune_with(options);
  EXPECT_TRUE(result.cancelled);
  EXPECT_LT(result.seconds, 20);
  EXPECT_EQ(result.decisions.size(), groups_.groups.size());
}

TEST_F(TuneTest, SpentBudgetsLeaveNothing) {
  TuningOptions options;
  options.max_trials = 16;
  TuneRequest request{groups_.graph, groups_.groups, groups_.decisions, groups_.decisions,
                      target_,       team_,          weights_,          options};
  request.spent_trials = 16;
  EXPECT_EQ(tune(request).trials, 0);
}

}  // namespace
}  // namespace altrt::tuner
