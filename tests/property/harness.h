// Runs a case through any executor of nests and compares it with the reference evaluator bit for bit.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/property/generator.h"

namespace altrt::property {

/// Runs all tasks of one nest on physical buffers (argument order).
using Executor = std::function<void(const jit::Nest& nest, const std::vector<void*>& arguments)>;

/// The interpreter as an executor.
void run_interpreter(const jit::Nest& nest, const std::vector<void*>& arguments);

/// An executor to which the first input of the first kernel comes in another order than it was packed for.
Executor with_stale_operand(const Executor& execute);

/// Empty if every output of every kernel has the reference's bits and no filled padding was changed; otherwise what
/// differs first. Outputs and undefined padding are NaN before the run. Each buffer lies between guard pages, its last
/// byte (or its first, by seed) next to the page; what a kernel does not write can't be written while it runs. Data
/// sets differ in their numbers and in where cases that may hold NaN do: what one hides by chance another shows.
std::string check(const Case& c, const Executor& execute, int set = 0);

/// The same on data that no evaluator is a judge of, with another executor as the reference: numbers of all sizes, in
/// odd sets infinities and NaN among the inputs. Results may differ by `rounding` of a tensor's largest number.
std::string check_alike(const Case& c, const Executor& execute, const Executor& reference, int set,
                        double rounding = 0);

/// Which features cases had: (kind, feature) -> number of cases. Features: "split", ... of layouts with prefix
/// "layout.", of loops "loop.", tails "tail.".
class Coverage {
 public:
  void add(const Case& c);
  /// Table of kinds x features.
  std::string table() const;
  /// How many of the combinations (kind, layout primitive, loop primitive, tail) had a case: "7012 of 8900 ...".
  std::string combinations() const;
  /// Kind x feature pairs and kind x layout x loop x tail combinations without a case, of those that can occur.
  std::vector<std::string> empty_cells() const;
  double indivisible_share() const { return cases_ ? static_cast<double>(indivisible_) / cases_ : 0; }
  double several_stages_share() const { return cases_ ? static_cast<double>(several_stages_) / cases_ : 0; }
  int cases() const { return cases_; }
  int refused() const { return refused_; }

 private:
  std::map<std::string, std::map<std::string, int>> cells_;
  std::set<std::array<std::string, 4>> combinations_;
  int cases_ = 0, indivisible_ = 0, several_stages_ = 0, refused_ = 0;
};

}  // namespace altrt::property
