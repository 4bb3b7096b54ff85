#include "tuner/lean.h"

#include <algorithm>

#include "jit/compile/stage_loops.h"
#include "jit/expr/algorithms.h"
#include "jit/expr/bound_shape.h"

namespace altrt::tuner {
namespace {

struct More {
  size_t task = 0;
  std::string algorithm;
  int64_t bytes = 0;  // of all the task's groups
  double worth = 0;   // floating-point operations a byte
};

}  // namespace

int64_t kept_bytes(const jit::Computation& c) {
  std::vector<bool> constant, kept(c.tensors.size(), false);
  for (const jit::TensorDecl& tensor : c.tensors) constant.push_back(tensor.role == jit::Role::constant);
  for (const jit::Stage& stage : c.stages) {
    const std::vector<jit::Expr> accesses = jit::stage_accesses(stage);
    const auto is_constant = [&](const jit::Expr& e) { return constant[static_cast<size_t>(e->id)]; };
    if (!accesses.empty() && std::all_of(accesses.begin(), accesses.end(), is_constant)) {
      for (const int output : stage.outputs) constant[static_cast<size_t>(output)] = true;
      continue;
    }
    for (const jit::Expr& e : accesses) {
      if (is_constant(e)) kept[static_cast<size_t>(e->id)] = true;
    }
  }
  int64_t bytes = 0;
  for (size_t t = 0; t < kept.size(); ++t) {
    if (!kept[t]) continue;
    bytes += element_count(jit::bound_shape(c.tensors[t].shape)) * static_cast<int64_t>(size_of(c.tensors[t].type));
  }
  return bytes;
}

std::vector<std::set<std::string>> lean_algorithms(const std::vector<Task>& tasks, int64_t allowance) {
  std::vector<std::set<std::string>> allowed(tasks.size());
  std::vector<int64_t> spent(tasks.size(), 0);
  std::vector<More> more;
  for (size_t t = 0; t < tasks.size(); ++t) {
    const jit::Computation& c = *tasks[t].computation;
    const int64_t least = kept_bytes(jit::apply_algorithm(c, jit::default_algorithm(c)));
    const auto groups = static_cast<int64_t>(tasks[t].groups.size());
    for (const std::string& algorithm : jit::algorithms(c)) {
      const int64_t bytes = (kept_bytes(jit::apply_algorithm(c, algorithm)) - least) * groups;
      if (bytes <= 0) {
        allowed[t].insert(algorithm);
      } else {
        const double flops = static_cast<double>(tasks[t].flops) * static_cast<double>(groups);
        more.push_back({t, algorithm, bytes, flops / static_cast<double>(bytes)});
      }
    }
  }
  std::stable_sort(more.begin(), more.end(), [](const More& a, const More& b) { return a.worth > b.worth; });
  for (const More& next : more) {
    // One of a task's algorithms is chosen in the end: the largest one counts.
    const int64_t added = std::max<int64_t>(next.bytes - spent[next.task], 0);
    if (added > allowance) continue;
    allowance -= added;
    spent[next.task] += added;
    allowed[next.task].insert(next.algorithm);
  }
  return allowed;
}

}  // namespace altrt::tuner
