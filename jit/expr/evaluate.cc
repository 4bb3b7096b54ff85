#include "jit/expr/evaluate.h"

#include <altrt/error.h>

#include <memory>

#include "jit/expr/math.h"
#include "jit/expr/program.h"

namespace altrt::jit {
namespace {

// The loops over axes: variables are the first registers of every program run inside.
class Odometer {
 public:
  Odometer(int first, std::vector<int64_t> extents) : first_(first), extents_(std::move(extents)) {}

  bool empty() const {
    for (const int64_t e : extents_) {
      if (e == 0) return true;
    }
    return false;
  }

  void reset(Value* registers) const {
    for (size_t k = 0; k < extents_.size(); ++k) registers[first_ + k].i = 0;
  }

  /// To the next point; the outermost variable that changed, or -1 after the last point.
  int next(Value* registers) const {
    for (int k = static_cast<int>(extents_.size()) - 1; k >= 0; --k) {
      if (++registers[first_ + k].i < extents_[k]) return first_ + k;
      registers[first_ + k].i = 0;
    }
    return -1;
  }

 private:
  int first_;
  std::vector<int64_t> extents_;
};

class StageRun {
 public:
  StageRun(const Stage& stage, const std::vector<Binding>& bindings, const std::vector<int64_t>& sizes, bool surrogates)
      : stage_(stage),
        bindings_(bindings),
        axes_(0, extents(stage.axes, sizes)),
        reduce_(static_cast<int>(stage.axes.size()), extents(stage.reduce, sizes)),
        results_(compile(join(stage.results, stage.store), false, surrogates)),
        updates_(compile(parts(&StateValue::update), true, surrogates)),
        inits_(compile(parts(&StateValue::init), false, surrogates)) {}

  void run() {
    if (axes_.empty()) return;
    result_registers_ = results_.registers();
    update_registers_ = updates_.registers();
    init_registers_ = inits_.registers();
    axes_.reset(result_registers_.data());
    int changed = -1;
    do {
      if (!stage_.state.empty()) reduce(changed);
      results_.run(result_registers_.data(), bindings_, changed);
      store();
      changed = axes_.next(result_registers_.data());
    } while (changed >= 0);
  }

 private:
  static std::vector<int64_t> extents(const std::vector<Axis>& axes, const std::vector<int64_t>& sizes) {
    std::vector<int64_t> result;
    for (const Axis& a : axes)
      result.push_back(a.extent.is_symbolic() ? sizes.at(a.extent.size_index) : a.extent.bound);
    return result;
  }

  static Exprs join(Exprs a, const Exprs& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }

  Exprs parts(Expr StateValue::*part) const {
    Exprs result;
    for (const StateValue& v : stage_.state) result.push_back(v.*part);
    return result;
  }

  Program compile(const Exprs& roots, bool reduction, bool surrogates) const {
    Exprs expanded;
    for (const Expr& e : roots) expanded.push_back(surrogates ? surrogate_math(e) : expand_math(e));
    std::vector<std::string> variables;
    for (const Axis& a : stage_.axes) variables.push_back(a.name);
    if (reduction) {
      for (const Axis& a : stage_.reduce) variables.push_back(a.name);
    }
    Program::Options options;
    options.hoist = true;  // a stage never reads what it writes
    for (const StateValue& v : stage_.state) options.states.push_back(v.type);
    return Program(expanded, variables, options);
  }

  // State values of the current point, over all points of the reduction axes; left in the results' registers.
  void reduce(int changed) {
    const size_t axes = stage_.axes.size();
    const int states = static_cast<int>(stage_.state.size());
    std::copy_n(result_registers_.begin(), axes, init_registers_.begin());
    std::copy_n(result_registers_.begin(), axes, update_registers_.begin());
    inits_.run(init_registers_.data(), bindings_, changed);
    for (int k = 0; k < states; ++k) {
      update_registers_[updates_.state_register(k)] = init_registers_[inits_.result_register(k)];
    }
    if (!reduce_.empty()) {
      reduce_.reset(update_registers_.data());
      int from = changed;
      do {
        updates_.run(update_registers_.data(), bindings_, from);
        next_.clear();
        for (int k = 0; k < states; ++k) next_.push_back(update_registers_[updates_.result_register(k)]);
        for (int k = 0; k < states; ++k) update_registers_[updates_.state_register(k)] = next_[k];
        from = reduce_.next(update_registers_.data());
      } while (from >= 0);
    }
    for (int k = 0; k < states; ++k) {
      result_registers_[results_.state_register(k)] = update_registers_[updates_.state_register(k)];
    }
  }

  void store() {
    const size_t outputs = stage_.outputs.size();
    index_.clear();
    for (size_t d = 0; d < stage_.store.size(); ++d) {
      index_.push_back(result_registers_[results_.result_register(static_cast<int>(outputs + d))].i);
    }
    for (size_t k = 0; k < outputs; ++k) {
      const Binding& to = bindings_[stage_.outputs[k]];
      to.store(to.element(index_.data()), result_registers_[results_.result_register(static_cast<int>(k))]);
    }
  }

  const Stage& stage_;
  const std::vector<Binding>& bindings_;
  const Odometer axes_, reduce_;
  const Program results_, updates_, inits_;
  std::vector<Value> result_registers_, update_registers_, init_registers_, next_;
  std::vector<int64_t> index_;
};

}  // namespace

void evaluate(const Computation& c, const std::vector<void*>& buffers, const std::vector<int64_t>& sizes,
              bool surrogates) {
  if (buffers.size() != c.tensors.size()) {
    throw Error(ErrorCode::internal, "evaluate " + c.name + ": " + std::to_string(buffers.size()) + " buffers for " +
                                         std::to_string(c.tensors.size()) + " tensors");
  }
  std::vector<Binding> bindings;
  std::vector<std::unique_ptr<uint64_t[]>> owned;
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    const TensorDecl& decl = c.tensors[t];
    Binding b{buffers[t], decl.type, {}, decl.name};
    int64_t bytes = static_cast<int64_t>(size_of(decl.type));
    for (const Extent& e : decl.shape) {
      b.shape.push_back(e.is_symbolic() ? sizes.at(e.size_index) : e.bound);
      bytes *= b.shape.back();
    }
    if (!b.data) {
      if (decl.role != Role::intermediate) {
        throw Error(ErrorCode::internal, "evaluate " + c.name + ": no buffer for tensor " + decl.name);
      }
      owned.push_back(std::make_unique<uint64_t[]>(bytes / 8 + 1));
      b.data = owned.back().get();
    }
    bindings.push_back(std::move(b));
  }
  for (const Stage& s : c.stages) {
    try {
      StageRun(s, bindings, sizes, surrogates).run();
    } catch (const Error& e) {
      throw Error(e.code(), "evaluate " + c.name + ", stage " + s.name + ": " + e.what());
    }
  }
}

}  // namespace altrt::jit
