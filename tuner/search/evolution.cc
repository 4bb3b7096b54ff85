#include "tuner/search/evolution.h"

#include <algorithm>
#include <utility>

namespace altrt::tuner {
namespace {

constexpr size_t kParents = 10;

}  // namespace

Evolution::Evolution(std::vector<std::unique_ptr<Space>> spaces, const jit::GroupDecision& initial, uint64_t seed)
    : spaces_(std::move(spaces)), random_(seed) {
  std::vector<std::vector<Point>> seeds;
  size_t longest = 0;
  for (size_t s = 0; s < spaces_.size(); ++s) {
    seeds.push_back(spaces_[s]->seeds());
    seeds.back().insert(seeds.back().begin(), spaces_[s]->start());
    longest = std::max(longest, seeds.back().size());
  }
  for (size_t i = 0; i < longest; ++i) {
    for (size_t s = 0; s < seeds.size(); ++s) {
      if (i < seeds[s].size()) seeds_.push_back({static_cast<int>(s), seeds[s][i], 0});
    }
  }
  std::reverse(seeds_.begin(), seeds_.end());
  seen_.insert(jit::hash(initial));
  if (spaces_.empty() || !(spaces_[0]->decide(spaces_[0]->start()) == initial)) return;
  population_.push_back({0, spaces_[0]->start(), 0});
}

double Evolution::size() const {
  double size = 0;
  for (const auto& space : spaces_) size += space->size();
  return size;
}

void Evolution::suggest(const jit::GroupDecision& decision) { suggestions_.push_back(decision); }

bool Evolution::try_add(Individual individual, const jit::GroupDecision& decision,
                        std::vector<jit::GroupDecision>& proposal) {
  if (!seen_.insert(jit::hash(decision)).second) return false;
  proposal.push_back(decision);
  last_.push_back(std::move(individual));
  return true;
}

const Evolution::Individual& Evolution::parent() {
  // The better of two.
  const size_t limit = std::min(population_.size(), kParents);
  return population_[std::min(below(limit), below(limit))];
}

Evolution::Individual Evolution::random_point(int space) {
  Individual individual{space, {}, 0};
  for (const Knob& knob : spaces_[static_cast<size_t>(space)]->knobs()) {
    individual.point.push_back(static_cast<int>(below(knob.values.size())));
  }
  return individual;
}

void Evolution::mutate(Individual& individual) {
  const std::vector<Knob>& knobs = spaces_[static_cast<size_t>(individual.space)]->knobs();
  for (int changes = 1 + static_cast<int>(below(3)); changes > 0; --changes) {
    const size_t k = below(knobs.size());
    const auto count = static_cast<int>(knobs[k].values.size());
    int& value = individual.point[k];
    if (chance(60)) {
      value = std::clamp(value + (chance(50) ? 1 : -1), 0, count - 1);
    } else {
      value = static_cast<int>(below(static_cast<size_t>(count)));
    }
  }
}

Evolution::Individual Evolution::breed() {
  if (population_.empty() || chance(15)) return random_point(static_cast<int>(below(spaces_.size())));
  Individual child = parent();
  if (chance(30)) {
    const Individual& other = parent();
    if (other.space == child.space) {
      for (size_t k = 0; k < child.point.size(); ++k) {
        if (chance(50)) child.point[k] = other.point[k];
      }
    }
  }
  mutate(child);
  return child;
}

std::vector<jit::GroupDecision> Evolution::propose(size_t count) {
  std::vector<jit::GroupDecision> proposal;
  last_.clear();
  if (spaces_.empty()) return proposal;
  while (proposal.size() < count && !suggestions_.empty()) {
    const jit::GroupDecision decision = std::move(suggestions_.back());
    suggestions_.pop_back();
    try_add({-1, {}, 0}, decision, proposal);
  }
  // Seeds alone as long as nothing is known, then half of each proposal.
  const size_t seeded = population_.size() <= 1 ? count : count / 2;
  while (proposal.size() < seeded && !seeds_.empty()) {
    const Individual seed = std::move(seeds_.back());
    seeds_.pop_back();
    try_add(seed, spaces_[static_cast<size_t>(seed.space)]->decide(seed.point), proposal);
  }
  for (int attempts = 0; proposal.size() < count && attempts < 400; ++attempts) {
    const Individual child = breed();
    const Space& space = *spaces_[static_cast<size_t>(child.space)];
    if (!space.knobs().empty() && space.plausible(child.point)) try_add(child, space.decide(child.point), proposal);
  }
  return proposal;
}

void Evolution::report(const std::vector<Outcome>& outcomes) {
  for (size_t i = 0; i < std::min(outcomes.size(), last_.size()); ++i) {
    if (!outcomes[i].measured || last_[i].space < 0) continue;
    last_[i].ms = outcomes[i].ms;
    population_.push_back(last_[i]);
  }
  // Without a time: the start. It stays behind everything that was measured to be good, but takes part.
  std::stable_sort(population_.begin(), population_.end(),
                   [](const Individual& a, const Individual& b) { return a.ms > 0 && (b.ms <= 0 || a.ms < b.ms); });
  if (population_.size() > 4 * kParents) population_.resize(4 * kParents);
  last_.clear();
}

}  // namespace altrt::tuner
