// Measurer: decisions of one group in, times out. Compiles, gates, then times: never two of them at once.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tuner/measure/gate.h"
#include "tuner/task.h"
#include "tuner/worker/workers.h"

namespace altrt::tuner {

struct Outcome {
  bool measured = false;
  std::string reason;     // why there is no time
  double ms = 0;          // on the scale of the first incumbent's time: drift is divided out
  double kernels_ms = 0;  // of that, without conversions at the group's border
  bool is_best = false;
};

/// What a task is measured on.
struct MeasurerOptions {
  const jit::Target& target;
  base::Team& team;
  std::shared_ptr<jit::Device> device = nullptr;  // whose target it is; null = this CPU
  bool cold_weights = false;                      // the network's weights don't fit into the last cache
  uint64_t seed = 0;
  std::shared_ptr<Workers> workers = nullptr;  // where candidates are compiled and run; null = in this process
};

/// What conversions between layouts take, each timed once (on a device: estimated). One thread at a time.
class ConversionTimes {
 public:
  ConversionTimes(base::Team& team, bool on_device) : team_(team), on_device_(on_device) {}
  double ms(DataType type, const std::vector<int64_t>& shape, const jit::Layout& from, const jit::Layout& to);

 private:
  base::Team& team_;
  const bool on_device_;
  std::map<std::string, double> known_;
};

/// Measures candidates of one task in the state of a network: weights out of the caches next to the cores, inputs just
/// written. One thread at a time; `task` and the team must outlive it.
class Measurer {
 public:
  /// `initial`: the task's initial decision as code. `prefix` of the names of kernels must be unlike any other
  /// measurer's.
  Measurer(const Task& task, Candidate initial, std::string prefix, const MeasurerOptions& options);
  ~Measurer();

  /// With workers, a candidate that ends one or that must be ended is an outcome like any other. Compiles as many at a
  /// time as the team has threads, gates one by one, then races the survivors against the incumbent. One outcome per
  /// decision; what `stop` cut off has the reason "stopped". The first call measures the task's initial decision before
  /// all else. Error(internal) if that one does not pass the gate.
  std::vector<Outcome> measure(const std::vector<jit::GroupDecision>& decisions, const Stop& stop);

  /// Compiles and gates a decision that is not raced. Nothing if it may not be used; `fault` tells why ("stopped").
  std::optional<Candidate> make(const jit::GroupDecision& decision, const Stop& stop, std::string& fault);

  /// The best decision so far: the initial one until another won by more than the spread.
  const jit::GroupDecision& incumbent() const { return incumbent_.decision; }
  const Candidate& incumbent_candidate() const { return incumbent_; }
  double incumbent_ms() const { return incumbent_ms_; }
  /// Of that, without conversions at the group's border.
  double incumbent_kernels_ms() const { return incumbent_ms_ - incumbent_runner_.conversions; }
  /// Of the initial decision; 0 before the first call of measure().
  double initial_ms() const { return initial_ms_; }

 private:
  struct Runner {
    Candidate candidate;
    Bound bound;
    double conversions = 0;
    size_t number = 0;    // in the batch
    double first_ms = 0;  // of the gate's run
    std::vector<double> times;
    std::string fault;  // it died while it was timed
  };

  std::vector<Candidate> compile(const std::vector<jit::GroupDecision>& decisions, std::vector<Outcome>& outcomes,
                                 const Stop& stop);
  bool start(const Stop& stop);
  /// The gate's verdict on a candidate that may die in it.
  Verdict judge(const Candidate& candidate, Bound& bound, double limit_ms, const Stop& stop);
  /// What speaks against the use of one that has passed; "" = nothing.
  std::string fault_in_use(const Candidate& candidate, Bound& bound);
  /// Code that ran elsewhere, for this process.
  void load_here(Candidate& candidate) const;
  std::vector<Runner> admit(std::vector<Candidate> candidates, std::vector<Outcome>& outcomes, const Stop& stop);
  /// Runs each `runs` times more, the incumbent between them; false if stopped.
  bool round(const std::vector<Runner*>& runners, int runs, const Stop& stop);
  void forget_times(const std::vector<Runner*>& runners);
  /// Those that died while they were timed leave.
  void drop_dead(std::vector<Runner*>& runners, std::vector<Outcome>& outcomes) const;
  /// Puts their times into the outcomes, drift divided out.
  void record(const std::vector<Runner*>& runners, std::vector<Outcome>& outcomes) const;
  /// Many runs; who falls behind leaves early. False if stopped.
  bool finals(std::vector<Runner*>& left, std::vector<Outcome>& outcomes, const Stop& stop);
  /// Those that are worth a race; the others get the gate's time.
  std::vector<Runner*> contenders(std::vector<Runner>& runners, std::vector<Outcome>& outcomes) const;
  void race(std::vector<Runner>& runners, std::vector<Outcome>& outcomes, const Stop& stop);
  /// Of the conversions that a decision's layouts cause at the group's border.
  double conversions_ms(const jit::GroupDecision& decision);
  /// Adds a time, or the fault that it died of.
  void time_once(Runner& runner);
  void win(Runner& runner);
  double time_of(const Runner& runner) const;

  const Task& task_;
  const std::string prefix_;
  const jit::Target target_;
  base::Team& team_;
  const bool cold_weights_;
  size_t compiled_ = 0;  // candidates so far
  Bench bench_;
  Gate gate_;
  ConversionTimes conversions_;
  Candidate incumbent_, initial_;
  Runner incumbent_runner_;
  bool started_ = false;
  double incumbent_ms_ = 0, initial_ms_ = 0;
};

}  // namespace altrt::tuner
