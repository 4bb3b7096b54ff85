// Search among the loops of one layout: evolution from a machine model's seeds, ranked by a cost model where there is
// one (Ansor, OSDI'20, section 5, in outline).
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "runtime/base/function_ref.h"
#include "tuner/space/space.h"

namespace altrt::tuner {

/// Scores of candidates, comparable within one task: higher is faster. Empty = no opinion.
using Ranking = base::FunctionRef<std::vector<double>(const std::vector<Features>&)>;

/// Not thread-safe. Repeatable: the same seed and reports give the same proposals.
class LoopSearch {
 public:
  LoopSearch(std::unique_ptr<LoopSpace> space, uint64_t seed);

  const LoopSpace& space() const { return *space_; }
  /// Proposes the nearest point next: what did well under another layout.
  void suggest(const Values& values);
  /// Up to `count` points that were never proposed before: suggestions, the start, the machine model's seeds, then
  /// mutations and crossings of the best and random ones, of which those that `ranking` likes. Fewer when the space is
  /// nearly exhausted.
  std::vector<Point> propose(size_t count, Ranking ranking);
  /// Milliseconds of a proposed point; 0 if it failed.
  void report(const Point& point, double ms);

  /// The best time reported; infinite without one.
  double best_ms() const;
  /// Meaning of the best points, best first.
  std::vector<Values> best(size_t count) const;
  /// Everything that was ever likely has been proposed.
  bool exhausted() const { return exhausted_; }
  int measured() const { return measured_; }

 private:
  struct Individual {
    Point point;
    double ms = 0;
  };

  bool is_new(const Point& point) { return seen_.insert(point).second; }
  const Individual& parent();
  Point random_point();
  void mutate(Point& point);
  Point breed();
  void rank(std::vector<Point>& pool, size_t count, Ranking ranking);
  size_t below(size_t limit) { return static_cast<size_t>(random_() % limit); }
  bool chance(int percent) { return below(100) < static_cast<size_t>(percent); }

  std::unique_ptr<LoopSpace> space_;
  std::mt19937_64 random_;
  std::vector<Point> queue_;            // suggestions and seeds, next one last
  std::vector<Individual> population_;  // measured, best first
  std::set<Point> seen_;
  bool exhausted_ = false;
  int measured_ = 0;
};

}  // namespace altrt::tuner
