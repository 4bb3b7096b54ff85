// Knobs: choices as explicit lists of values. What spaces are made of and proposers work on.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace altrt::tuner {

/// One choice. Values are sorted, so that neighbours in the list are alike.
struct Knob {
  std::string name;
  std::vector<int64_t> values;
  int64_t extent = 0;  // of what a tile's size cuts; 0 = the knob is none

  /// Number of `value`, or of the nearest value that there is.
  int index_of(int64_t value) const;
};

/// A number of a value for every knob.
using Point = std::vector<int>;
/// Values by knob name: what a point means, for other lists of knobs too.
using Values = std::vector<std::pair<std::string, int64_t>>;

/// A list of knobs with a point to start from. Immutable; usable from many threads.
class Knobs {
 public:
  virtual ~Knobs() = default;

  const std::vector<Knob>& knobs() const { return knobs_; }
  /// Number of points, and of those whose tiles all divide what they cut.
  double size() const;
  double size_of_divisors() const;
  /// The point that the knobs were made round.
  const Point& start() const { return start_; }
  /// Whether the point is worth trying, as far as that is known without trying.
  virtual bool plausible(const Point&) const { return true; }
  /// Points that a machine model likes, best first.
  virtual std::vector<Point> seeds() const { return {}; }

  Values values(const Point& point) const;
  /// The start with the knobs of these names set to the nearest of their values.
  Point nearest(const Values& values) const;

 protected:
  /// Adds a knob that starts at `value`, which joins the values if it is missing.
  void add_knob(const std::string& name, std::vector<int64_t> values, int64_t value);
  /// The same for sizes of tiles of what is `extent` long.
  void add_tile(const std::string& name, std::vector<int64_t> values, int64_t value, int64_t extent);
  /// The value of a knob at a point.
  int64_t value(const Point& point, const std::string& name) const;
  /// The same, or `otherwise` if there is no such knob.
  int64_t value(const Point& point, const std::string& name, int64_t otherwise) const;
  bool has(const std::string& name) const;

 private:
  std::vector<Knob> knobs_;
  Point start_;
};

/// "height 1,2,4; width 1..." and the size, for people.
std::string to_string(const Knobs& knobs);
/// "height=2 width=7": the point's values.
std::string to_string(const Knobs& knobs, const Point& point);

}  // namespace altrt::tuner
