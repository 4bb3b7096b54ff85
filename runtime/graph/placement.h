// Conversion placement: of the ways to compute each group, the ones that make the whole graph fastest, conversions
// between their layouts included.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/graph/groups.h"
#include "runtime/graph/layouts.h"

namespace altrt::graph {

/// One way to compute a group.
struct Alternative {
  jit::GroupDecision decision;
  double ms = 0;         // of its kernels, without conversions
  bool measured = true;  // else estimated
};
/// The ways to compute one group, the one in use first. Host groups have none.
using Alternatives = std::vector<Alternative>;

/// Milliseconds to bring a value from one layout into another, which is not equal to it.
using ConversionCost = std::function<double(int value, const jit::Layout& from, const jit::Layout& to)>;

/// A conversion that a plan would make.
struct PlacedConversion {
  int value = -1;
  jit::Layout from, to;
  double ms = 0;
  int writer = -1;           // group; -1: a graph input
  std::vector<int> readers;  // groups that want it; none: it is for the graph's output
};

/// Which alternative is taken for each group. Costs are what a plan pays: each group's kernels, and for each value one
/// conversion for each distinct layout that its readers want and its writer does not make. Graph inputs, graph outputs
/// and what host groups touch are row-major; constants are free.
class Placement {
 public:
  /// `groups`' alternatives; the cost function is asked for each pair of layouts of a value once. Refers to groups and
  /// alternatives.
  Placement(const Graph& graph, const std::vector<Group>& groups, const std::vector<Alternatives>& alternatives,
            ConversionCost conversion_ms);

  struct Cost {
    double kernels_ms = 0, conversions_ms = 0;
    double total_ms() const { return kernels_ms + conversions_ms; }
  };
  /// `choice`: number of the alternative, one a group (0 for host groups).
  Cost cost(const std::vector<int>& choice) const;
  std::vector<PlacedConversion> conversions(const std::vector<int>& choice) const;
  Decisions decisions(const std::vector<int>& choice) const;

  struct Solution {
    std::vector<int> choice;
    Cost cost;
    bool exact = true;  // proven to be the least
  };
  /// The choice of least total cost. A value with several readers is a node of the assignment problem of its own, whose
  /// choices are the sets of layouts in which it may lie. Never worse than the alternatives in use, which win a tie.
  Solution solve() const;

  /// What the conversion takes, and what the best way without it would cost more.
  std::string reason(const PlacedConversion& conversion, const std::vector<int>& choice) const;

 private:
  /// A value that is no constant: who makes and who reads it, in which layouts by which alternative.
  struct Value {
    int number = -1;                                    // in the graph
    int maker = -1;                                     // group; -1: a graph input
    std::vector<int> readers;                           // groups, but for those of the host
    bool leaves = false, for_host = false;              // graph output; read by a host group
    std::vector<jit::Layout> layouts;                   // distinct, row-major first; numbered below
    std::vector<int> made;                              // by alternative of the maker
    std::vector<std::vector<std::vector<int>>> wanted;  // by reader and its alternative: sorted
    mutable std::vector<double> ms;                     // of conversions that were asked for; negative: not yet

    bool always_plain() const { return leaves || for_host; }
  };
  class Formulation;

  void add_value(int number, int maker);
  double conversion_ms(const Value& value, int from, int to) const;
  double value_ms(const Value& value, const std::vector<int>& choice) const;
  int made(const Value& value, const std::vector<int>& choice) const;
  std::vector<int> wanted(const Value& value, const std::vector<int>& choice) const;
  double alternative_ms(size_t group, int choice) const;
  void descend(Solution& solution) const;

  const Graph& graph_;
  const std::vector<Group>& groups_;
  const std::vector<Alternatives>& alternatives_;
  ConversionCost conversion_ms_;
  std::vector<Value> values_;
  std::vector<std::vector<size_t>> values_of_;  // by group: numbers in values_ of what it reads or writes
};

}  // namespace altrt::graph
