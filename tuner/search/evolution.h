// Evolutionary search over the points of a group's spaces.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "tuner/measure/measurer.h"
#include "tuner/space/space.h"

namespace altrt::tuner {

/// Proposes decisions and learns from their times. The same seed and the same reports give the same proposals.
class Evolution {
 public:
  /// One space for each algorithm. `initial` is measured already and never proposed.
  Evolution(std::vector<std::unique_ptr<Space>> spaces, const jit::GroupDecision& initial, uint64_t seed);

  /// A decision to propose first (from a record).
  void suggest(const jit::GroupDecision& decision);
  /// A decision that is not to be proposed: an earlier tuning tried it.
  void skip(const jit::GroupDecision& decision) { seen_.insert(jit::hash(decision)); }
  /// Up to `count` decisions that were never proposed before: suggestions, then the machine model's seeds, then
  /// mutations and crossings of the best and random ones. Fewer when the spaces are nearly exhausted.
  std::vector<jit::GroupDecision> propose(size_t count);
  /// Times of the last proposal, in its order.
  void report(const std::vector<Outcome>& outcomes);

  double size() const;

 private:
  struct Individual {
    int space = -1;  // -1: a suggestion
    Point point;
    double ms = 0;
  };

  bool try_add(Individual individual, const jit::GroupDecision& decision, std::vector<jit::GroupDecision>& proposal);
  Individual breed();
  Individual random_point(int space);
  const Individual& parent();
  void mutate(Individual& individual);
  size_t below(size_t limit) { return static_cast<size_t>(random_() % limit); }
  bool chance(int percent) { return below(100) < static_cast<size_t>(percent); }

  std::vector<std::unique_ptr<Space>> spaces_;
  std::mt19937_64 random_;
  std::vector<jit::GroupDecision> suggestions_;
  std::vector<Individual> seeds_;       // best last
  std::vector<Individual> population_;  // measured, best first
  std::vector<Individual> last_;
  std::set<uint64_t> seen_;
};

}  // namespace altrt::tuner
