// The gate: no kernel is timed before its results on exact data equal the reference's, bit for bit.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "tuner/measure/bench.h"

namespace altrt::tuner {

/// The naive decision: plain layouts, the loops of the definition, outermost ones as tasks, the innermost one outside
/// the sums cut into vectors of `lanes` elements (1 = no vectors).
jit::GroupDecision naive_decision(const jit::Computation& c, int lanes);

/// True when measuring must end now. Asked at least every 100 ms or so, but for single compilations.
using Stop = std::function<bool()>;

/// What the gate says of a candidate.
struct Verdict {
  std::string fault;  // "" = it may be used; else why not: "wrong result in 'y'", "writes to an input", "stopped", ...
  double ms = 0;      // its first run
  bool did_damage = false;
};

/// References for one group, made when first needed: results of the naive nest on the CPU, checked at sampled points
/// and corners against the evaluator. One thread at a time.
class Gate {
 public:
  /// `target` of the candidates, which run on the bench. `c` and the bench must outlive the gate.
  Gate(const jit::Computation& c, const jit::Target& target, Bench& bench, base::Team& team);

  /// Results must equal the reference's bit for bit. Where they depend on rounding (elementary functions, division),
  /// they must agree to a relative L2 of 1e-5, and the same schedule with stand-ins that are exact must agree bit for
  /// bit. A run of more than `limit_ms` is cut off: "too slow"; so is any when `stop` says so: "stopped".
  /// Error(internal) if the reference itself is wrong.
  Verdict check(const Candidate& candidate, Bound& bound, double limit_ms, const Stop& stop);
  /// For a candidate of ours that has passed check() and is to be used: "" or why it must not.
  /// - On other data, some of it NaN, results must be the reference's again (direct kernels only: transforms spread
  /// NaN).
  ///   Inputs have the other sign, so that nothing hides twice behind an activation.
  /// - Where memory is aligned to elements only, with pages that may not be touched next to each tensor's first and
  /// next
  ///   to its last byte, results are the same.
  /// - The same schedule with stand-ins for elementary functions agrees bit for bit: those may map what is wrong to
  /// what
  ///   is right.
  std::string check_use(const Candidate& candidate, Bound& bound);

 private:
  using Results = std::map<std::string, Tensor>;

  Candidate naive(bool surrogates);
  const Results* reference(bool surrogates, const Stop& stop);
  std::optional<Results> run(Bench& bench, Bound& bound, double limit_ms, const Stop& stop, double* ms = nullptr) const;
  Results run_on(const Data& data, Bench& bench, Bound& bound);
  std::string check_nan(const Candidate& candidate, Bound& bound);
  std::string check_placed(const Candidate& candidate, Placement placement);
  /// Where references are made.
  Bench& host_bench() { return host_bench_ ? *host_bench_ : bench_; }
  void check_reference(const Results& results, const Data& data, bool surrogates) const;
  /// Results that are not the reference's bits.
  std::string check_rounded(const Candidate& candidate, const Results& results, double limit_ms, const Stop& stop);
  std::string check_stand_ins(const Candidate& candidate, double limit_ms, const Stop& stop);
  std::string compare(const Results& results, const Results& reference, double tolerance, double rounding) const;

  const jit::Computation& c_;
  const jit::Target target_, host_target_;
  Bench& bench_;
  base::Team& team_;
  std::unique_ptr<Bench> host_bench_;  // null where candidates run on the CPU themselves
  bool exact_ = true;
  std::optional<Results> reference_, surrogate_;
  struct Probe {
    Data data;
    Results results;
  };
  std::vector<Probe> probes_;
};

}  // namespace altrt::tuner
