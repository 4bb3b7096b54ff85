// Search of one group: layouts and loops together, then loops alone on the layouts that did best (ALT, EuroSys'23,
// section 5: cross-exploration). Times in, decisions out; measures nothing itself.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tuner/cost/ranker.h"
#include "tuner/measure/measurer.h"
#include "tuner/search/choice.h"
#include "tuner/search/loop_search.h"
#include "tuner/search/proposer.h"

namespace altrt::tuner {

/// How often something was proposed, measured, and became the best.
struct Tally {
  int64_t proposed = 0, measured = 0, won = 0;
};

/// Null: layouts stay as they are.
using MakeProposer = std::function<std::unique_ptr<LayoutProposer>(const std::vector<Knob>& layouts, uint64_t seed)>;

/// Not thread-safe. Repeatable: the same seed and reports give the same proposals.
class TaskSearch {
 public:
  /// One space for each algorithm. `initial` is measured already and never proposed.
  TaskSearch(std::vector<std::unique_ptr<LayoutSpace>> spaces, const jit::GroupDecision& initial,
             const MakeProposer& make_proposer, uint64_t seed);
  ~TaskSearch();

  /// A decision to propose first (from a record, of another provider).
  void suggest(const jit::GroupDecision& decision);
  /// What an earlier tuning measured, 0 if it failed: counts as measured once the search comes to it, and is not
  /// proposed but where it is suggested.
  void recall(const jit::GroupDecision& decision, double ms);
  /// The nearest point next: what did well for a similar group. Nothing where no space fits.
  void suggest(const Choice& choice);
  /// The best measured point; an empty algorithm without one. Its flops are not set.
  Choice best_choice() const;
  /// Up to `count` decisions that were never proposed before. Fewer when the spaces are nearly exhausted.
  std::vector<jit::GroupDecision> propose(size_t count, Ranking ranking);
  /// Outcomes of the last proposal, in its order; what was cut off with the reason "stopped" may be proposed no more.
  std::vector<Sample> report(const std::vector<Outcome>& outcomes);

  /// Lets the proposers learn from predicted rewards: in the joint stage, after new layouts were reported to them.
  void learn_from_model(Ranking ranking);
  /// From now on only loops, on the layouts that did best.
  void end_joint_stage() { joint_ = false; }
  bool in_joint_stage() const { return joint_; }

  /// Number of points, layouts times loops of the first layout, and of those whose tiles all divide what they cut.
  double size() const { return count_points(&Knobs::size); }
  double size_of_divisors() const { return count_points(&Knobs::size_of_divisors); }
  /// Layouts other than the initial ones ("layouts"), and each primitive that they use: "unfold", "pad", "store_at".
  const std::map<std::string, Tally>& tallies() const { return tallies_; }

 private:
  struct Trial;  // one layout
  struct Space;  // one algorithm
  struct Standing {
    double best_ms = std::numeric_limits<double>::infinity();
    int measured = 0;
  };
  struct Proposed {
    Trial* trial = nullptr;  // null: a suggestion
    Point point;
  };

  Trial* add_trial(size_t space, const Point& layout);
  Point next_layout(size_t space);
  /// A layout that was never tried; null if none is left.
  double count_points(double (Knobs::*of)() const) const;
  std::optional<size_t> next_space() const;
  Trial* new_layout();
  void propose_from(Trial& trial, size_t count, Ranking ranking, std::vector<jit::GroupDecision>& proposal);
  void propose_first(size_t count, Ranking ranking, std::vector<jit::GroupDecision>& proposal);
  void explore(size_t count, Ranking ranking, std::vector<jit::GroupDecision>& proposal);
  void exploit(size_t count, Ranking ranking, std::vector<jit::GroupDecision>& proposal);
  void close_rounds();
  std::vector<double> predicted_rewards(const Space& space, const std::vector<Point>& layouts, Ranking ranking) const;
  std::vector<Trial*> by_time() const;
  std::vector<Standing> standings() const;  // of the spaces
  std::vector<Trial*> by_promise() const;
  double best_ms() const;
  void count(const Trial& trial, int64_t Tally::*what);

  std::vector<std::unique_ptr<Space>> spaces_;
  std::vector<std::unique_ptr<Trial>> trials_;
  std::mt19937_64 random_;
  std::vector<jit::GroupDecision> suggestions_;
  std::vector<Trial*> suggested_;  // whose loops have a suggestion that comes next
  std::vector<Proposed> last_;
  std::set<uint64_t> seen_;
  std::map<uint64_t, double> recalled_;  // by the decision's hash
  std::map<std::string, Tally> tallies_;
  std::vector<Trial*> open_;  // the layouts whose rounds go on
  bool learned_ = true;       // a proposer did, since it was last taught by the model
  bool joint_ = true;
  int first_batches_ = 0;    // proposed while nothing was measured
  double reference_ms_ = 0;  // the first best time: rewards are relative to it
};

}  // namespace altrt::tuner
