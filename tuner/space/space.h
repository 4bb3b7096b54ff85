// Search spaces: for one group, what may be chosen, as knobs with explicit lists of values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "jit/compile/decisions.h"

namespace altrt::tuner {

/// One choice. Values are sorted, so that neighbours in the list are alike.
struct Knob {
  std::string name;
  std::vector<int64_t> values;

  /// Number of `value`, or of the nearest value that there is.
  int index_of(int64_t value) const;
};

/// A number of a value for every knob.
using Point = std::vector<int>;

/// The decisions for a group by one algorithm. Immutable; usable from many threads. Refers to the Computation, which
/// must outlive it.
class Space {
 public:
  virtual ~Space() = default;

  const std::vector<Knob>& knobs() const { return knobs_; }
  /// Number of points.
  double size() const;
  /// The point of the decision that the space was made round.
  const Point& start() const { return start_; }
  /// decide(start()) is exactly the decision that the space was made round. A point may be refused by the compiler.
  jit::GroupDecision decide(const Point& point) const;
  /// Whether the point is worth compiling: its register tile fits, its code is not too long.
  virtual bool plausible(const Point&) const { return true; }
  /// Points that a machine model likes, best first.
  virtual std::vector<Point> seeds() const { return {}; }

 protected:
  explicit Space(jit::GroupDecision initial) : initial_(std::move(initial)) {}

  const jit::GroupDecision& initial() const { return initial_; }
  /// Adds a knob that starts at `value`, which joins the values if it is missing.
  void add_knob(const std::string& name, std::vector<int64_t> values, int64_t value);
  /// The value of a knob at a point.
  int64_t value(const Point& point, const std::string& name) const;
  bool has(const std::string& name) const;
  /// The start with some knobs set to (the nearest of their) values.
  Point point_with(const std::vector<std::pair<std::string, int64_t>>& values) const;

 private:
  virtual jit::GroupDecision make(const Point& point) const = 0;

  jit::GroupDecision initial_;
  std::vector<Knob> knobs_;
  Point start_;
};

struct SpaceOptions {
  /// Whether layouts of the group's inputs and outputs may differ from the initial decision's.
  bool activation_layouts = true;
};

/// The space round `initial` (which must be one for `c` by its own algorithm).
std::unique_ptr<Space> make_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                  const jit::Target& target, const SpaceOptions& options = {});

/// The space round `initial` first, then one for each other algorithm in `algorithms` that fits `c` and has a schedule
/// template.
std::vector<std::unique_ptr<Space>> make_spaces(const jit::Computation& c, const jit::GroupDecision& initial,
                                                const jit::Target& target, const std::vector<std::string>& algorithms,
                                                const SpaceOptions& options = {});

/// "height 1,2,4; width 1..." and the size, for people.
std::string to_string(const Space& space);
/// "height=2 width=7": the point's values.
std::string to_string(const Space& space, const Point& point);

}  // namespace altrt::tuner
