#include "tuner/search/task_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <altrt/error.h>

namespace altrt::tuner {
namespace {

constexpr int kFirstBatches = 2;   // of every algorithm in the untuned layout
constexpr int kRounds = 2;         // of loop search in a new layout
constexpr size_t kFirstRound = 4;  // trials; a second one only for what is promising
constexpr size_t kSecondRound = 8;
constexpr double kPromising = 1.25;  // times the best: worth another round
constexpr double kHopeless = 1.6;    // times the best: an algorithm that gets no more layouts
constexpr int kLayoutAttempts = 24;
constexpr size_t kBestLayouts = 3;
constexpr int kFairShare = 32;         // trials of an algorithm that is not hopeless before it has to be among the best
constexpr size_t kPredicted = 24;      // layouts that a proposer learns of from the model at a time
constexpr size_t kPredictedSeeds = 4;  // loops of each

}  // namespace

struct TaskSearch::Space {
  std::unique_ptr<LayoutSpace> layouts;
  std::unique_ptr<LayoutProposer> proposer;  // null where there is nothing to choose
  std::vector<Point> seeds;                  // what a machine model likes, best last
  std::set<Point> tried;
  int turns = 0;  // in the search for new layouts
};

struct TaskSearch::Trial {
  size_t space = 0;
  Point layout;
  LoopSearch loops;
  std::vector<std::string> primitives;
  bool is_start = false;
  int rounds = 0;
  bool is_asked = false;  // for candidates of the current proposal, of an open layout
};

TaskSearch::~TaskSearch() = default;

TaskSearch::TaskSearch(std::vector<std::unique_ptr<LayoutSpace>> spaces, const jit::GroupDecision& initial,
                       const MakeProposer& make_proposer, uint64_t seed)
    : random_(seed) {
  seen_.insert(jit::hash(initial));
  joint_ = false;
  for (size_t s = 0; s < spaces.size(); ++s) {
    auto space = std::make_unique<Space>();
    space->layouts = std::move(spaces[s]);
    if (space->layouts->size() > 1 && make_proposer)
      space->proposer = make_proposer(space->layouts->knobs(), random_());
    joint_ |= space->proposer != nullptr;
    space->seeds = space->layouts->seeds();
    std::reverse(space->seeds.begin(), space->seeds.end());
    spaces_.push_back(std::move(space));
    add_trial(s, spaces_.back()->layouts->start());
  }
}

TaskSearch::Trial* TaskSearch::add_trial(size_t space, const Point& layout) {
  Space& s = *spaces_[space];
  s.tried.insert(layout);
  const bool start = layout == s.layouts->start();
  trials_.push_back(std::unique_ptr<Trial>(new Trial{space, layout, LoopSearch(s.layouts->loops(layout), random_()),
                                                     start ? std::vector<std::string>() : s.layouts->primitives(layout),
                                                     start, start ? kRounds : 0}));
  return trials_.back().get();
}

double TaskSearch::count_points(double (Knobs::*of)() const) const {
  double points = 0;
  for (const auto& trial : trials_) {
    if (trial->is_start) points += (*spaces_[trial->space]->layouts.*of)() * (trial->loops.space().*of)();
  }
  return points;
}

void TaskSearch::suggest(const jit::GroupDecision& decision) { suggestions_.push_back(decision); }

void TaskSearch::recall(const jit::GroupDecision& decision, double ms) { recalled_[jit::hash(decision)] = ms; }

void TaskSearch::suggest(const Choice& choice) {
  for (size_t s = 0; s < spaces_.size(); ++s) {
    const LayoutSpace& layouts = *spaces_[s]->layouts;
    if (layouts.algorithm() != choice.algorithm) continue;
    const Point layout = spaces_[s]->proposer ? layouts.nearest(choice.layout) : layouts.start();
    try {
      if (!layouts.plausible(layout)) return;
      Trial* trial = nullptr;
      for (const auto& known : trials_) {
        if (known->space == s && known->layout == layout) trial = known.get();
      }
      if (!trial) trial = add_trial(s, layout);
      trial->loops.suggest(choice.loops);
      suggested_.push_back(trial);
    } catch (const Error&) {  // the template refuses the layouts here
    }
    return;
  }
}

Choice TaskSearch::best_choice() const {
  const std::vector<Trial*> order = by_time();
  if (order.empty() || order[0]->loops.measured() == 0) return {};
  const LayoutSpace& layouts = *spaces_[order[0]->space]->layouts;
  return {layouts.algorithm(), 0, layouts.values(order[0]->layout), order[0]->loops.best(1)[0]};
}

double TaskSearch::best_ms() const {
  double best = std::numeric_limits<double>::infinity();
  for (const auto& trial : trials_) best = std::min(best, trial->loops.best_ms());
  return best;
}

std::vector<TaskSearch::Trial*> TaskSearch::by_time() const {
  std::vector<Trial*> order;
  for (const auto& trial : trials_) order.push_back(trial.get());
  std::stable_sort(order.begin(), order.end(),
                   [](const Trial* a, const Trial* b) { return a->loops.best_ms() < b->loops.best_ms(); });
  return order;
}

std::vector<TaskSearch::Standing> TaskSearch::standings() const {
  std::vector<Standing> standings(spaces_.size());
  for (const auto& trial : trials_) {
    Standing& standing = standings[trial->space];
    standing.best_ms = std::min(standing.best_ms, trial->loops.best_ms());
    standing.measured += trial->loops.measured();
  }
  return standings;
}

void TaskSearch::count(const Trial& trial, int64_t Tally::*what) {
  if (trial.is_start) return;
  ++(tallies_["layouts"].*what);
  for (const std::string& primitive : trial.primitives) ++(tallies_[primitive].*what);
}

void TaskSearch::propose_from(Trial& trial, size_t count, Ranking ranking, std::vector<jit::GroupDecision>& proposal) {
  for (size_t made = 0; made < count;) {
    const std::vector<Point> points = trial.loops.propose(count - made, ranking);
    if (points.empty()) return;
    for (const Point& point : points) {
      const jit::GroupDecision decision = trial.loops.space().decide(point);
      const uint64_t hash = jit::hash(decision);
      const auto recalled = recalled_.find(hash);
      if (recalled != recalled_.end()) trial.loops.report(point, recalled->second);
      if (!seen_.insert(hash).second || recalled != recalled_.end()) continue;
      proposal.push_back(decision);
      last_.push_back({&trial, point});
      this->count(trial, &Tally::proposed);
      ++made;
    }
  }
}

// Every algorithm in turn, as long as nothing is known.
void TaskSearch::propose_first(size_t count, Ranking ranking, std::vector<jit::GroupDecision>& proposal) {
  const size_t wanted = proposal.size() + count;
  for (bool any = true; any && proposal.size() < wanted;) {
    any = false;
    for (const auto& trial : trials_) {
      const size_t before = proposal.size();
      if (before < wanted) propose_from(*trial, 1, ranking, proposal);
      any |= proposal.size() > before;
    }
  }
}

// Seeds and the proposer's in turn.
Point TaskSearch::next_layout(size_t number) {
  Space& space = *spaces_[number];
  if (space.seeds.empty() || space.tried.size() % 2 == 0) return space.proposer->propose();
  Point layout = std::move(space.seeds.back());
  space.seeds.pop_back();
  return layout;
}

// Algorithms in turn, the slower ones less often; not those without a choice or hope.
std::optional<size_t> TaskSearch::next_space() const {
  std::optional<size_t> next;
  double least = std::numeric_limits<double>::infinity();
  const std::vector<Standing> standings = this->standings();
  for (size_t s = 0; s < spaces_.size(); ++s) {
    const auto [best, measured] = standings[s];
    const double behind = std::isfinite(best) ? best / best_ms() : (std::isfinite(best_ms()) ? kHopeless : 1);
    const double turn = (spaces_[s]->turns + 1) * behind * behind;
    if (!spaces_[s]->proposer || (measured >= 4 && behind >= kHopeless) || turn >= least) continue;
    least = turn;
    next = s;
  }
  return next;
}

TaskSearch::Trial* TaskSearch::new_layout() {
  for (int attempt = 0; attempt < kLayoutAttempts; ++attempt) {
    const std::optional<size_t> next = next_space();
    if (!next) break;
    const size_t number = *next;
    Space& space = *spaces_[number];
    ++space.turns;
    const Point layout = next_layout(number);
    if (space.tried.count(layout) || !space.layouts->plausible(layout)) continue;
    try {
      Trial* trial = add_trial(number, layout);
      for (const Trial* other : by_time()) {
        if (other->space != number || other->loops.measured() == 0) continue;
        for (const Values& values : other->loops.best(2)) trial->loops.suggest(values);
        break;
      }
      return trial;
    } catch (const Error&) {  // the template refuses the layouts
      space.tried.insert(layout);
      space.proposer->report(layout, layout_reward(1, 0));
    }
  }
  return nullptr;
}

void TaskSearch::explore(size_t count, Ranking ranking, std::vector<jit::GroupDecision>& proposal) {
  const size_t wanted = proposal.size() + count;
  const auto look_into = [&](Trial& trial, size_t trials) {
    const size_t before = proposal.size();
    propose_from(trial, std::min(trials, wanted - before), ranking, proposal);
    if (proposal.size() == before) trial.rounds = kRounds;
    trial.is_asked = true;
  };
  for (Trial* trial : open_) {
    if (proposal.size() < wanted) look_into(*trial, kSecondRound);
  }
  while (proposal.size() < wanted) {
    Trial* trial = new_layout();
    if (!trial) {
      joint_ = !open_.empty();
      return;
    }
    open_.push_back(trial);
    look_into(*trial, kFirstRound);
  }
}

// The best layouts first; after the very best one, those of algorithms that had few trials so far: loops of one are
// good after ten trials, of another after thirty.
std::vector<TaskSearch::Trial*> TaskSearch::by_promise() const {
  std::vector<Trial*> order = by_time();
  if (order.empty()) return order;
  const std::vector<Standing> standings = this->standings();
  std::set<size_t> seen{order[0]->space};
  std::stable_partition(order.begin() + 1, order.end(), [&](const Trial* trial) {
    return seen.insert(trial->space).second && standings[trial->space].measured < kFairShare &&
           trial->loops.best_ms() <= kHopeless * best_ms();
  });
  return order;
}

void TaskSearch::exploit(size_t count, Ranking ranking, std::vector<jit::GroupDecision>& proposal) {
  std::vector<Trial*> best = by_promise();
  // Half for the best layout, half of the rest for the next one, and so on; what they can't use goes to any.
  size_t left = count;
  for (size_t i = 0; i < best.size() && left > 0; ++i) {
    const bool last = i + 1 >= std::min(kBestLayouts, best.size());
    const size_t before = proposal.size();
    propose_from(*best[i], last ? left : (left + 1) / 2, ranking, proposal);
    left -= proposal.size() - before;
  }
  for (size_t i = 0; i < best.size() && left > 0; ++i) {
    const size_t before = proposal.size();
    propose_from(*best[i], left, ranking, proposal);
    left -= proposal.size() - before;
  }
}

std::vector<jit::GroupDecision> TaskSearch::propose(size_t count, Ranking ranking) {
  std::vector<jit::GroupDecision> proposal;
  last_.clear();
  for (Trial* trial : open_) trial->is_asked = false;
  while (proposal.size() < count && !suggestions_.empty()) {
    const jit::GroupDecision decision = std::move(suggestions_.back());
    suggestions_.pop_back();
    if (!seen_.insert(jit::hash(decision)).second) continue;
    proposal.push_back(decision);
    last_.emplace_back();
  }
  while (proposal.size() < count && !suggested_.empty()) {
    Trial& trial = *suggested_.back();
    suggested_.pop_back();
    propose_from(trial, 1, ranking, proposal);
  }
  // Where nothing beats the untuned loops there may still be a better layout.
  if (!std::isfinite(best_ms()) && first_batches_++ < kFirstBatches) {
    propose_first(count - proposal.size(), ranking, proposal);
    return proposal;
  }
  if (joint_) explore((count - proposal.size()) / 2, ranking, proposal);
  exploit(count - proposal.size(), ranking, proposal);
  return proposal;
}

std::vector<Sample> TaskSearch::report(const std::vector<Outcome>& outcomes) {
  std::vector<Sample> samples;
  for (size_t i = 0; i < std::min(outcomes.size(), last_.size()); ++i) {
    const Outcome& outcome = outcomes[i];
    Trial* trial = last_[i].trial;
    if (!trial || outcome.reason == "stopped") continue;
    const double ms = outcome.measured ? outcome.ms : 0;
    trial->loops.report(last_[i].point, ms);
    samples.push_back({trial->loops.space().features(last_[i].point), ms});
    if (outcome.measured) count(*trial, &Tally::measured);
    if (outcome.is_best) count(*trial, &Tally::won);
  }
  if (reference_ms_ == 0 && std::isfinite(best_ms())) reference_ms_ = best_ms();
  close_rounds();
  last_.clear();
  return samples;
}

// Ends a round of the layouts that took part in it; after a layout's last one the proposer learns how good it is.
void TaskSearch::close_rounds() {
  std::erase_if(open_, [&](Trial* trial) {
    if (!trial->is_asked) return false;
    ++trial->rounds;
    const double best = trial->loops.best_ms();
    if (trial->rounds < kRounds && best <= kPromising * best_ms()) return false;
    Space& space = *spaces_[trial->space];
    space.proposer->report(trial->layout, layout_reward(reference_ms_, std::isfinite(best) ? best : 0));
    learned_ = true;
    return true;
  });
}

// The best prediction of a few good loops for each layout, low where the template refuses it.
std::vector<double> TaskSearch::predicted_rewards(const Space& space, const std::vector<Point>& layouts,
                                                  Ranking ranking) const {
  std::vector<double> rewards;
  for (const Point& layout : layouts) {
    double reward = kLowestReward;
    try {
      if (space.layouts->plausible(layout)) {
        const std::unique_ptr<LoopSpace> loops = space.layouts->loops(layout);
        std::vector<Features> features{loops->features(loops->start())};
        for (const Point& seed : loops->seeds()) {
          if (features.size() <= kPredictedSeeds) features.push_back(loops->features(seed));
        }
        for (const double score : ranking(features)) reward = std::max(reward, score);
      }
    } catch (const Error&) {  // stays low
    }
    rewards.push_back(reward);
  }
  return rewards;
}

void TaskSearch::learn_from_model(Ranking ranking) {
  if (!joint_ || !learned_) return;
  learned_ = false;
  for (const auto& space : spaces_) {
    if (!space->proposer) continue;
    space->proposer->learn_from_model(
        [&](const std::vector<Point>& layouts) { return predicted_rewards(*space, layouts, ranking); }, kPredicted);
  }
}

}  // namespace altrt::tuner
