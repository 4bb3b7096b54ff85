// Transposed convolutions by output phases: output positions that leave the same remainder by the stride use the same
// kernel taps, so that each remainder is a convolution with stride 1 and no condition on its taps.
//
//   out[n, o, s*p + r] = epilogue(sum_{i, j} data[n, i, p + b - j*e] w[i, o, k + j*t])      one stage a remainder r < s
//
// with t = s / gcd(s, dilation), k the first tap that fits r, and constants b and e. The products are those of the
// direct form.
#include <numeric>

#include <altrt/error.h>

#include "jit/expr/algorithms.h"

namespace altrt::jit {

namespace {

/// What one remainder means for one spatial dimension.
struct Residue {
  int64_t remainder = 0;
  int64_t first_tap = 0, tap_step = 1;
  int64_t taps = 0;  // none: nothing is added
  int64_t points = 0;
};

class Phases {
 public:
  explicit Phases(const Computation& c) : c_(c), anchor_(c.anchor), stage_(c.stages[anchor_.stage]) {}

  Computation make() {
    Computation result = c_;
    result.algorithm = "phases";
    result.stages.erase(result.stages.begin() + anchor_.stage);
    std::vector<Stage> stages;
    std::vector<Residue> chosen(anchor_.kernel.size());
    add_phases(0, chosen, stages);
    result.stages.insert(result.stages.begin() + anchor_.stage, stages.begin(), stages.end());
    return result;
  }

 private:
  Residue residue(size_t d, int64_t remainder) const {
    const int64_t stride = anchor_.strides[d], dilation = anchor_.dilations[d];
    Residue r;
    r.remainder = remainder;
    r.points = (stage_.axes[d + 2].extent.bound - remainder + stride - 1) / stride;
    r.tap_step = tap_step(anchor_, d);
    while (r.first_tap < r.tap_step && (remainder + anchor_.pads[d] - r.first_tap * dilation) % stride != 0) {
      ++r.first_tap;
    }
    if (r.first_tap < r.tap_step && r.first_tap < anchor_.kernel[d]) {
      r.taps = (anchor_.kernel[d] - r.first_tap + r.tap_step - 1) / r.tap_step;
    }
    return r;
  }

  void add_phases(size_t d, std::vector<Residue>& chosen, std::vector<Stage>& stages) const {
    if (d == chosen.size()) return stages.push_back(phase(chosen, static_cast<int>(stages.size())));
    for (int64_t remainder = 0; remainder < anchor_.strides[d]; ++remainder) {
      chosen[d] = residue(d, remainder);
      if (chosen[d].points > 0) add_phases(d + 1, chosen, stages);
    }
  }

  Stage phase(const std::vector<Residue>& chosen, int number) const {
    Stage stage = stage_;
    const std::string suffix = "_p" + std::to_string(number);
    stage.name += suffix;
    Substitution moved;
    const auto rename = [&](Axis& axis) {
      const std::string old = axis.name;
      axis.name += suffix;
      return moved[old] = variable(axis.name);
    };
    for (Axis& axis : stage.axes) rename(axis);
    for (Axis& axis : stage.reduce) rename(axis);
    bool empty = false;
    for (size_t d = 0; d < chosen.size(); ++d) {
      const Residue& r = chosen[d];
      Axis &axis = stage.axes[d + 2], &taps = stage.reduce[d + 1];
      axis.extent = r.points;
      taps.extent = r.taps;
      empty |= r.taps == 0;
      moved[stage_.axes[d + 2].name] = variable(axis.name) * anchor_.strides[d] + r.remainder;
      moved[stage_.reduce[d + 1].name] = variable(taps.name) * r.tap_step + r.first_tap;
    }
    if (empty) return without_sum(std::move(stage), moved);
    const Ranges ranges = axis_ranges(stage);
    for (StateValue& value : stage.state) value.update = simplify(substitute(value.update, moved), ranges);
    for (Expr& e : stage.results) e = simplify(substitute(e, moved), ranges);
    for (Expr& e : stage.store) e = simplify(substitute(e, moved), ranges);
    return stage;
  }

  /// No tap falls on these positions: the epilogue of the state as it begins.
  static Stage without_sum(Stage stage, const Substitution& moved) {
    stage.reduce.clear();
    const Ranges ranges = axis_ranges(stage);
    const Expr init = stage.state[0].init;
    stage.state.clear();
    for (Expr& e : stage.results) {
      e = rewrite(substitute(e, moved), [&](const Expr& node) { return node.is(ExprKind::state) ? init : node; });
      e = simplify(e, ranges);
    }
    for (Expr& e : stage.store) e = simplify(substitute(e, moved), ranges);
    return stage;
  }

  const Computation& c_;
  const Anchor& anchor_;
  const Stage& stage_;
};

}  // namespace

int64_t tap_step(const Anchor& anchor, size_t d) {
  return anchor.strides[d] / std::gcd(anchor.strides[d], anchor.dilations[d]);
}

bool phases_fit(const Computation& c) {
  if (c.anchor.kind != AnchorKind::conv_transpose || c.anchor.stage < 0 || c.algorithm != "direct") return false;
  const Stage& stage = c.stages[c.anchor.stage];
  const size_t rank = c.anchor.kernel.size();
  if (stage.axes.size() != rank + 2 || stage.reduce.size() != rank + 1 || stage.state.size() != 1) return false;
  if (stage.store.size() != stage.axes.size() || c.writers(stage.outputs[0]).size() != 1) return false;
  for (size_t i = 0; i < stage.axes.size(); ++i) {
    const bool is_own = stage.store[i].is(ExprKind::variable) && stage.store[i]->name == stage.axes[i].name;
    const bool is_only = stage.store[i].is_int(0) && stage.axes[i].extent.bound == 1;
    if (!is_own && !is_only) return false;
    if (stage.axes[i].extent.is_symbolic() && i > 0) return false;
  }
  int64_t phases = 1;
  for (size_t d = 0; d < rank; ++d) {
    if (stage.reduce[d + 1].extent.bound != c.anchor.kernel[d]) return false;
    phases *= c.anchor.strides[d];
  }
  constexpr int64_t kMostPhases = 64;
  return phases <= kMostPhases;
}

Computation phases(const Computation& c) { return Phases(c).make(); }

}  // namespace altrt::jit
