// Search spaces of one group: which layouts, and for each of them which loops (ALT's joint space, alt.md 5 and 6 in the
// vocabulary of the paper: layout templates, loop spaces rebuilt for every layout).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jit/compile/decisions.h"
#include "tuner/space/features.h"
#include "tuner/space/knobs.h"

namespace altrt::tuner {

/// How far a search may go.
struct SpaceOptions {
  bool layouts = true;       // layouts of the group's inputs and outputs may differ from the initial decision's
  bool pack_weights = true;  // constants are packed as the loops want them; else they stay as the initial decision says
};

/// The loops of a group by one algorithm under fixed layouts of what its neighbours see. Refers to the Computation,
/// which must outlive it.
class LoopSpace : public Knobs {
 public:
  /// decide(start()) is exactly the decision that the space was made round. A point may be refused by the compiler.
  jit::GroupDecision decide(const Point& point) const;
  /// What a cost model learns from, in closed form: nothing is lowered.
  Features features(const Point& point) const;

 protected:
  /// `stored`: constant vectors (biases) are stored at the weights, whatever the loops (jit::with_bias_at_weights);
  /// `initial` is given without that.
  LoopSpace(const jit::Computation& c, jit::GroupDecision initial, const jit::Target& target, bool stored = false);

  const jit::GroupDecision& initial() const { return initial_; }
  /// The Computation by the decision's algorithm.
  const jit::Computation& changed() const { return changed_; }
  const jit::Target& target() const { return target_; }
  /// The anchor's weights are constant, and the options let the loops say how they are packed.
  bool packs_weights(const SpaceOptions& options) const;

 private:
  virtual jit::GroupDecision make(const Point& point) const = 0;
  /// The features that the kind of group adds to those of every group.
  virtual void describe(const Point& point, Features& features) const;

  jit::GroupDecision initial_;
  jit::Computation changed_;
  const jit::Target target_;
  const bool stored_;
  Features common_;
};

/// The layouts of a group by one algorithm. This one knows a single layout; kinds of groups add knobs.
class LayoutSpace : public Knobs {
 public:
  /// Round `initial`, which must be a decision for `c`. Both and `target` are copied but for `c`, which must outlive
  /// it.
  LayoutSpace(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
              const SpaceOptions& options);

  const std::string& algorithm() const { return initial_.algorithm; }
  /// The layouts of a point with the default loops for them; the space's initial decision at its start.
  /// Error(invalid_argument | unsupported) where the template refuses the layouts.
  jit::GroupDecision decide(const Point& point) const;
  /// The loop space, rebuilt for the layouts of a point.
  std::unique_ptr<LoopSpace> loops(const Point& point) const;
  /// The primitives beyond split and reorder that the layouts of a point use: "unfold", "pad", "store_at".
  std::vector<std::string> primitives(const Point& point) const;

 protected:
  /// The initial decision with every constant in a memory of its own.
  const jit::GroupDecision& initial() const { return initial_; }
  const jit::Computation& changed() const { return changed_; }
  const jit::Target& target() const { return target_; }
  /// Adds the knob "store_at", constant vectors stored at the weights or not, if there are any that can be.
  void add_store_at();

 private:
  /// Layouts of inputs and outputs; those of constants follow by default_layouts.
  virtual jit::Layouts layouts(const Point& point) const;
  /// decide() with every constant in a memory of its own.
  jit::GroupDecision plain(const Point& point) const;
  bool stores(const Point& point) const { return value(point, "store_at", 0) != 0; }

  const jit::Computation& c_;
  const jit::GroupDecision given_;
  const jit::GroupDecision initial_;
  const jit::Computation changed_;
  const jit::Target target_;
  const SpaceOptions options_;
};

/// The loop space round `initial` (which must be one for `c` by its own algorithm); `stored` as above, for kinds with
/// weights.
std::unique_ptr<LoopSpace> make_loop_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                           const jit::Target& target, const SpaceOptions& options = {},
                                           bool stored = false);

/// The layout space round `initial`, whose loop space is the one above at its start.
std::unique_ptr<LayoutSpace> make_layout_space(const jit::Computation& c, const jit::GroupDecision& initial,
                                               const jit::Target& target, const SpaceOptions& options = {});

/// The space round `initial` first, then one for each other algorithm in `algorithms` that fits `c` and has a schedule
/// template.
std::vector<std::unique_ptr<LayoutSpace>> make_spaces(const jit::Computation& c, const jit::GroupDecision& initial,
                                                      const jit::Target& target,
                                                      const std::vector<std::string>& algorithms,
                                                      const SpaceOptions& options = {});

}  // namespace altrt::tuner
