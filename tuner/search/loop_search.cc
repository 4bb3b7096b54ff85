#include "tuner/search/loop_search.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace altrt::tuner {
namespace {

constexpr size_t kParents = 10, kPool = 6;
constexpr int kAttempts = 400;
constexpr int kTrust = 85;  // per cent of a ranked proposal that the ranking chooses

}  // namespace

LoopSearch::LoopSearch(std::unique_ptr<LoopSpace> space, uint64_t seed) : space_(std::move(space)), random_(seed) {
  queue_ = space_->seeds();
  queue_.insert(queue_.begin(), space_->start());
  std::reverse(queue_.begin(), queue_.end());
}

void LoopSearch::suggest(const Values& values) {
  const Point point = space_->nearest(values);
  if (space_->plausible(point)) queue_.push_back(point);
}

const LoopSearch::Individual& LoopSearch::parent() {
  // The better of two.
  const size_t limit = std::min(population_.size(), kParents);
  return population_[std::min(below(limit), below(limit))];
}

Point LoopSearch::random_point() {
  Point point;
  for (const Knob& knob : space_->knobs()) point.push_back(static_cast<int>(below(knob.values.size())));
  return point;
}

void LoopSearch::mutate(Point& point) {
  const std::vector<Knob>& knobs = space_->knobs();
  for (int changes = 1 + static_cast<int>(below(3)); changes > 0; --changes) {
    const size_t k = below(knobs.size());
    const auto count = static_cast<int>(knobs[k].values.size());
    if (chance(60)) {
      point[k] = std::clamp(point[k] + (chance(50) ? 1 : -1), 0, count - 1);
    } else {
      point[k] = static_cast<int>(below(static_cast<size_t>(count)));
    }
  }
}

Point LoopSearch::breed() {
  if (population_.empty() || chance(15)) return random_point();
  Point child = parent().point;
  if (chance(30)) {
    const Point& other = parent().point;
    for (size_t k = 0; k < child.size(); ++k) {
      if (chance(50)) child[k] = other[k];
    }
  }
  mutate(child);
  return child;
}

// Keeps `count` of the pool: most by rank, the others as they come.
void LoopSearch::rank(std::vector<Point>& pool, size_t count, Ranking ranking) {
  std::vector<Features> features;
  for (const Point& point : pool) features.push_back(space_->features(point));
  const std::vector<double> scores = ranking(features);
  if (scores.size() == pool.size()) {
    std::vector<size_t> order(pool.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    const size_t trusted = (count * kTrust + 99) / 100;
    std::vector<Point> chosen;
    for (size_t i = 0; i < std::min(trusted, order.size()); ++i) chosen.push_back(pool[order[i]]);
    std::shuffle(order.begin() + static_cast<std::ptrdiff_t>(chosen.size()), order.end(), random_);
    for (size_t i = chosen.size(); i < std::min(count, order.size()); ++i) chosen.push_back(pool[order[i]]);
    pool = std::move(chosen);
  }
  pool.resize(std::min(pool.size(), count));
}

std::vector<Point> LoopSearch::propose(size_t count, Ranking ranking) {
  std::vector<Point> points;
  // Seeds alone as long as nothing is known, then half of each proposal.
  const size_t seeded = population_.empty() ? count : (count + 1) / 2;
  while (points.size() < seeded && !queue_.empty()) {
    Point point = std::move(queue_.back());
    queue_.pop_back();
    if (is_new(point)) points.push_back(std::move(point));
  }
  const size_t rest = count - points.size();
  if (rest == 0 || space_->knobs().empty()) {
    exhausted_ = space_->knobs().empty() && queue_.empty();
    return points;
  }
  std::vector<Point> pool;
  const size_t wanted = population_.empty() ? rest : rest * kPool;
  std::set<Point> here;
  for (auto seed = queue_.rbegin(); seed != queue_.rend() && pool.size() < wanted / 2; ++seed) {
    if (!seen_.count(*seed) && here.insert(*seed).second) pool.push_back(*seed);
  }
  for (int attempts = 0; pool.size() < wanted && attempts < kAttempts; ++attempts) {
    Point child = breed();
    if (!space_->plausible(child) || seen_.count(child) || !here.insert(child).second) continue;
    pool.push_back(std::move(child));
  }
  if (pool.size() > rest) rank(pool, rest, ranking);
  exhausted_ = points.empty() && pool.empty() && queue_.empty();
  for (Point& point : pool) {
    seen_.insert(point);
    points.push_back(std::move(point));
  }
  return points;
}

void LoopSearch::report(const Point& point, double ms) {
  if (ms <= 0) return;
  ++measured_;
  const auto at = std::upper_bound(population_.begin(), population_.end(), ms,
                                   [](double a, const Individual& one) { return a < one.ms; });
  population_.insert(at, {point, ms});
  if (population_.size() > 4 * kParents) population_.resize(4 * kParents);
}

double LoopSearch::best_ms() const {
  return population_.empty() ? std::numeric_limits<double>::infinity() : population_[0].ms;
}

std::vector<Values> LoopSearch::best(size_t count) const {
  std::vector<Values> best;
  for (size_t i = 0; i < std::min(count, population_.size()); ++i) best.push_back(space_->values(population_[i].point));
  return best;
}

}  // namespace altrt::tuner
