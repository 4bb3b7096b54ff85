// The gate: no kernel is timed before its results on exact data equal the reference's, bit for bit.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tuner/measure/bench.h"

namespace altrt::tuner {

/// A decision as code: what the gate and the clock get.
struct Candidate {
  jit::GroupDecision decision;
  std::shared_ptr<const jit::CompiledGroup> group;
  std::vector<std::shared_ptr<jit::LoadedKernel>> loaded;
};

/// Loads what was compiled.
Candidate load(jit::GroupDecision decision, jit::CompiledGroup group);

/// The naive decision: plain layouts, the loops of the definition, outermost ones as tasks.
jit::GroupDecision naive_decision(const jit::Computation& c);

/// References for one group, made when first needed: results of the naive nest, checked at sampled points and corners
/// against the evaluator. One thread at a time.
class Gate {
 public:
  /// `c` and the bench must outlive the gate.
  Gate(const jit::Computation& c, const jit::Target& target, Bench& bench, base::Team& team);

  /// "" if the candidate may be used, else why not: "wrong result in 'y'", "writes to an input", ... Results must equal
  /// the reference's bit for bit. Where they depend on rounding (elementary functions, division), they must agree to a
  /// relative L2 of 1e-5, and the same schedule with stand-ins that are exact must agree bit for bit. Error(internal)
  /// if the reference itself is wrong.
  std::string check(const Candidate& candidate, Bound& bound);

 private:
  using Results = std::map<std::string, Tensor>;

  const Results& reference(bool surrogates);
  Results run(Bound& bound) const;
  void check_reference(const Results& results, bool surrogates) const;
  std::string compare(const Results& results, const Results& reference, double tolerance, double rounding) const;

  const jit::Computation& c_;
  const jit::Target target_;
  Bench& bench_;
  base::Team& team_;
  bool exact_ = true;
  std::optional<Results> reference_, surrogate_;
};

}  // namespace altrt::tuner
