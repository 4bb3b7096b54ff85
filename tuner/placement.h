// Placement for the tuner: the decisions of a whole graph from what was measured of its groups.
//
// At the end of the joint stage each complex group has a few points (decision, kernel time) of distinct layouts. One
// call makes of them decisions that agree as far as that pays:
//
//   PlacementRequest request{graph, groups, target, points};
//   request.conversion_ms = conversion_ms(graph, times);   // ConversionTimes, see measure/measurer.h
//   request.kernel_ms = ...;                               // optional: measures what placement makes up itself
//   const Placed placed = place(request);
//
// The loop-only stage then tunes placed.decisions without touching their layouts. At the end the same call, with the
// final times, decides what is kept.
#pragma once

#include <string>
#include <vector>

#include "runtime/graph/alternatives.h"
#include "runtime/graph/placement.h"
#include "tuner/measure/measurer.h"

namespace altrt::tuner {

enum class PlacementMode : uint8_t {
  joint,     // kernels and conversions of the whole graph at once
  forward,   // ALT-FP: a complex group's output layout is forced onto the complex groups behind it
  backward,  // ALT-BP: the layout that a complex group reads is forced onto the complex groups before it
  none       // each complex group its fastest decision, the others as they are: conversions wherever two differ
};

struct PlacementRequest {
  const graph::Graph& graph;
  const std::vector<graph::Group>& groups;
  const jit::Target& target;
  /// Per group what was measured, the decision in use first; host groups have none. One entry is enough where nothing
  /// was: its time may then be 0.
  const std::vector<graph::Alternatives>& points;
  graph::ConversionCost conversion_ms;
  PlacementMode mode = PlacementMode::joint;
  /// Of decisions that placement derives (a follower in another layout, a producer that writes what its reader wants).
  /// Without it: see graph::with_derived.
  graph::KernelTime kernel_ms = {};
};

struct Placed {
  graph::Decisions decisions;
  std::vector<graph::Alternative> chosen;  // per group: decision, time, and whether that was measured
  graph::Placement::Cost cost, in_use;     // of these decisions; of the first point of every group
  bool exact = true;                       // mode joint: nothing better can be made of the alternatives
  graph::ConversionReasons reasons;        // for graph::layouts_to_string
};

/// Of the graph's values, as measured. Refers to both.
graph::ConversionCost conversion_ms(const graph::Graph& graph, ConversionTimes& times);

/// A pure function of the request (as far as its functions are). Errors of the compiler for groups that it can't lower
/// at all.
Placed place(const PlacementRequest& request);

}  // namespace altrt::tuner
