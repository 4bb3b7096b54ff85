// Two chained convolutions, tuned apart and placed: conversions where they pay, against forcing the first one's output
// layout onto the second (ALT-FP) or the second one's input layout onto the first (ALT-BP), and against conversions
// wherever the two differ.
//   altrt_chained_convolutions [--pairs N] [--trials N] [--seed N] [--seconds S] [--tiny]
// Per pair and convolution: `trials` with layouts and loops free, then for each way to place half as many with the
// loops alone. The four plans then run in turns for S seconds. Writes a table of milliseconds and the geometric means
// of the ratios to the first way. `--tiny`: small shapes, for checking that it works.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <altrt/error.h>
#include <altrt/model.h>

#include "jit/compile/provide.h"
#include "runtime/base/trace.h"
#include "tuner/placement.h"
#include "tuner/search/task_search.h"
#include "tuner/whole_plan.h"

namespace {

using namespace altrt;
using graph::Alternative;
using graph::Alternatives;
using tuner::PlacementMode;

constexpr PlacementMode kModes[] = {PlacementMode::joint, PlacementMode::forward, PlacementMode::backward,
                                    PlacementMode::none};
constexpr size_t kWays = std::size(kModes);
constexpr size_t kPoints = 6;  // of a convolution that placement chooses from
constexpr size_t kBatch = 16;
constexpr double kJointShare = 0.4;  // of the trials, for layouts and loops together

struct Options {
  int pairs = 10, trials = 96;
  uint64_t seed = 1;
  double seconds = 2;
  bool tiny = false;
};

struct Convolution {
  int64_t channels = 0, kernel = 1, stride = 1;
};
struct Pair {
  int64_t inputs = 0, size = 0;
  Convolution first, second;
};

Pair random_pair(std::mt19937_64& random, bool tiny) {
  const auto pick = [&](std::vector<int64_t> values) { return values[random() % values.size()]; };
  const auto convolution = [&] {
    return Convolution{tiny ? pick({8, 24}) : pick({32, 64, 96, 128, 192, 256}), pick({1, 3, 3, 5}), pick({1, 1, 2})};
  };
  Pair pair;
  pair.inputs = tiny ? 8 : pick({16, 32, 64, 128});
  pair.size = tiny ? 9 : pick({14, 28, 28, 56});
  pair.first = convolution();
  pair.second = convolution();
  return pair;
}

std::string to_string(const Pair& pair) {
  char text[96];
  const auto [a, b] = std::pair(pair.first, pair.second);
  std::snprintf(text, sizeof text, "%3d@%-2d %dx%d/%d > %3d %dx%d/%d > %3d", static_cast<int>(pair.inputs),
                static_cast<int>(pair.size), static_cast<int>(a.kernel), static_cast<int>(a.kernel),
                static_cast<int>(a.stride), static_cast<int>(a.channels), static_cast<int>(b.kernel),
                static_cast<int>(b.kernel), static_cast<int>(b.stride), static_cast<int>(b.channels));
  return text;
}

Model make_model(const Pair& pair, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.1f);
  GraphBuilder b("pair");
  b.input("x", DataType::f32, {1, pair.inputs, pair.size, pair.size});
  std::string at = "x";
  int64_t inputs = pair.inputs;
  for (const Convolution& c : {pair.first, pair.second}) {
    Tensor weights(DataType::f32, {c.channels, inputs, c.kernel, c.kernel});
    std::generate_n(weights.as<float>(), element_count(weights.shape()), [&] { return normal(random); });
    const int64_t pad = c.kernel / 2;
    const auto w = b.constant("w" + std::to_string(inputs) + at, std::move(weights));
    at = b.op("Relu", {b.op("Conv", {at, w},
                            {{"pads", std::vector<int64_t>{pad, pad, pad, pad}},
                             {"strides", std::vector<int64_t>{c.stride, c.stride}}})});
    inputs = c.channels;
  }
  b.output(at);
  return b.build();
}

/// Tuning of one group without neighbours, so that times are those of its kernels alone.
class Tuned {
 public:
  Tuned(const graph::Group& group, const jit::GroupDecision& start, const jit::Target& target, base::Team& team,
        uint64_t seed)
      : target_(target), start_(start), seed_(seed), prefix_("g" + std::to_string(seed) + group.name + "_") {
    task_.name = group.name;
    task_.computation = &group.computation;
    task_.initial = start;
    tuner::Candidate initial = tuner::load(start, jit::compile(group.computation, start, target, prefix_ + "start"));
    measurer_ =
        std::make_unique<tuner::Measurer>(task_, std::move(initial), prefix_, tuner::MeasurerOptions{target, team});
  }

  /// Milliseconds of one decision; infinite where it can't be used.
  double ms(const jit::GroupDecision& decision) {
    const tuner::Outcome outcome = measurer_->measure({decision}, never)[0];
    return outcome.measured ? outcome.ms : std::numeric_limits<double>::infinity();
  }

  /// The fastest decisions found in so many trials from `start`, one for each choice of layouts at the border, best
  /// first.
  Alternatives search(const jit::GroupDecision& start, bool layouts_free, int trials) {
    std::map<std::string, Alternative> best;
    const auto keep = [&](const jit::GroupDecision& decision, double ms) {
      Alternative& known = best[border(decision)];
      if (known.ms == 0 || ms < known.ms) known = {decision, ms, true};
    };
    keep(start, ms(start));
    tuner::Ranker ranker(seed_);
    const tuner::MakeProposer proposers = [](const std::vector<tuner::Knob>& layouts, uint64_t seed) {
      return tuner::make_proposer("evolutionary", layouts, seed);
    };
    tuner::TaskSearch search(tuner::make_spaces(*task_.computation, start, target_, jit::algorithms(*task_.computation),
                                                {.layouts = layouts_free}),
                             start, proposers, seed_);
    for (int done = 0; done < trials;) {
      if (done > kJointShare * trials) search.end_joint_stage();
      const auto proposal = search.propose(std::min<size_t>(kBatch, static_cast<size_t>(trials - done)), ranker);
      if (proposal.empty()) break;
      const std::vector<tuner::Outcome> outcomes = measurer_->measure(proposal, never);
      ranker.learn(task_.key, search.report(outcomes));
      for (size_t i = 0; i < proposal.size(); ++i) {
        const bool same = layouts_free || border(proposal[i]) == border(start);
        if (outcomes[i].measured && same) keep(proposal[i], outcomes[i].ms);
      }
      done += static_cast<int>(proposal.size());
    }
    Alternatives found;
    for (auto& [text, alternative] : best) found.push_back(std::move(alternative));
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.ms < b.ms; });
    if (found.size() > kPoints) found.resize(kPoints);
    return found;
  }

 private:
  static bool never() { return false; }

  std::string border(const jit::GroupDecision& decision) const {
    std::string text;
    for (const jit::TensorDecl& tensor : task_.computation->tensors) {
      const auto found = decision.layouts.find(tensor.name);
      const bool outside = tensor.role == jit::Role::input || tensor.role == jit::Role::output;
      if (outside && found != decision.layouts.end()) text += tensor.name + jit::to_string(found->second) + "|";
    }
    return text;
  }

  const jit::Target target_;
  const jit::GroupDecision start_;
  const uint64_t seed_;
  const std::string prefix_;
  tuner::Task task_;
  std::unique_ptr<tuner::Measurer> measurer_;
};

/// One pair: tuned, placed in every way, tuned again, timed.
class Trial {
 public:
  Trial(const Model& model, const Options& options, base::Team& team)
      : options_(options),
        team_(team),
        graph_(std::make_shared<const graph::Graph>(graph::simplify(model.graph(), {}, {}))),
        groups_(graph::form_groups(*graph_)) {
    const graph::Decisions defaults = graph::default_decisions(*graph_, groups_, target_);
    for (size_t g = 0; g < groups_.size(); ++g) {
      tuned_.push_back(std::make_unique<Tuned>(groups_[g], defaults[g], target_, team_, options.seed * 100 + g));
      points_.push_back(tuned_[g]->search(defaults[g], true, options.trials));
    }
  }

  struct Result {
    double ms[kWays] = {};
    int conversions[kWays] = {};
  };

  Result run() {
    Result result;
    std::vector<std::unique_ptr<tuner::PlanRunner>> plans;
    tuner::ConversionTimes times(team_, false);
    for (size_t way = 0; way < kWays; ++way) {
      const tuner::Placed placed = tuner::place(
          {*graph_, groups_, target_, points_, tuner::conversion_ms(*graph_, times), kModes[way],
           [&](int g, const jit::GroupDecision& decision) { return tuned_[static_cast<size_t>(g)]->ms(decision); }});
      const auto plan = build(tune_loops(placed.decisions));
      for (const plan::Step& step : plan->steps) result.conversions[way] += step.kind == plan::StepKind::conversion;
      plans.push_back(std::make_unique<tuner::PlanRunner>(plan, team_));
    }
    const base::Stopwatch watch;
    do {
      for (const auto& plan : plans) plan->run();
    } while (plans[0]->runs() < 3 || watch.seconds() < options_.seconds);
    for (size_t way = 0; way < kWays; ++way) result.ms[way] = plans[way]->ms();
    return result;
  }

 private:
  graph::Decisions tune_loops(graph::Decisions decisions) {
    for (size_t g = 0; g < decisions.size(); ++g) {
      const std::string key = std::to_string(g) + jit::to_string(decisions[g]);
      auto found = known_.find(key);
      if (found == known_.end()) {
        found = known_.emplace(key, tuned_[g]->search(decisions[g], false, options_.trials / 2).front().decision).first;
      }
      decisions[g] = found->second;
    }
    return decisions;
  }

  std::shared_ptr<const plan::Plan> build(const graph::Decisions& decisions) {
    plan::PlanInput input{graph_, groups_, decisions, std::vector<plan::GroupCode>(groups_.size())};
    for (size_t g = 0; g < groups_.size(); ++g) {
      const std::string prefix = "plan" + std::to_string(++built_) + "_";
      auto compiled =
          std::make_shared<jit::CompiledGroup>(jit::compile(groups_[g].computation, decisions[g], target_, prefix));
      input.code[g] = {&groups_[g].computation, compiled, jit::load(*compiled, decisions[g])};
    }
    return std::make_shared<const plan::Plan>(plan::build_plan(std::move(input), weights_, team_));
  }

  const Options& options_;
  base::Team& team_;
  const jit::Target target_ = jit::host_target();
  std::shared_ptr<const graph::Graph> graph_;
  std::vector<graph::Group> groups_;
  std::vector<std::unique_ptr<Tuned>> tuned_;
  std::vector<Alternatives> points_;
  std::map<std::string, jit::GroupDecision> known_;  // of loops that were tuned: a way that decides alike is alike
  plan::WeightStore weights_;
  int built_ = 0;
};

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--tiny") {
      options.tiny = true;
      continue;
    }
    const char* value = i + 1 < count ? arguments[++i] : "";
    if (name == "--pairs")
      options.pairs = std::atoi(value);
    else if (name == "--trials")
      options.trials = std::atoi(value);
    else if (name == "--seed")
      options.seed = std::strtoull(value, nullptr, 10);
    else if (name == "--seconds")
      options.seconds = std::atof(value);
    else
      throw Error(ErrorCode::invalid_argument, "unknown option '" + name + "'");
  }
  return options;
}

int run(const Options& options) {
  std::mt19937_64 random(options.seed);
  base::Team team(2);
  std::printf("%-40s %9s %9s %9s %9s   conversions\n", "pair", "placed", "forward", "backward", "apart");
  double logs[kWays] = {};
  for (int i = 0; i < options.pairs; ++i) {
    const Pair pair = random_pair(random, options.tiny);
    const Trial::Result result = Trial(make_model(pair, options.seed), options, team).run();
    std::printf("%-40s", to_string(pair).c_str());
    for (size_t way = 0; way < kWays; ++way) {
      std::printf(" %9.4f", result.ms[way]);
      logs[way] += std::log(result.ms[way] / result.ms[0]);
    }
    std::printf("   %d %d %d %d\n", result.conversions[0], result.conversions[1], result.conversions[2],
                result.conversions[3]);
    std::fflush(stdout);
  }
  std::printf("%-40s", "mean ratio to placed");
  for (const double log : logs) std::printf(" %9.4f", std::exp(log / options.pairs));
  std::printf("\n");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(parse(count, arguments));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
