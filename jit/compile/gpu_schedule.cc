// What a GPU does with a group untuned.
#include <algorithm>
#include <limits>

#include "jit/compile/gpu_templates.h"
#include "jit/expr/algorithms.h"

namespace altrt::jit {

std::string gpu_algorithm(const Computation& c, const Target& target) {
  if (!gemm_fits(c)) return default_algorithm(c);
  // Partial sums cost kernels more, and their way through memory.
  constexpr double kKernelCycles = 8000, kBytesPerCycle = 3000;
  constexpr int64_t kLeastDepth = 64;
  std::string best;
  double least = 0;
  for (const std::string& name : algorithms(c)) {
    const int parts = gemm_parts(name);
    if (parts == 0) continue;
    const std::vector<GpuProduct> products = gpu_products(apply_algorithm(c, name));
    double cycles = choose_gpu_tile(products, target).cycles;
    int64_t depth = 0;
    for (const GpuProduct& product : products) {
      const auto results = static_cast<double>(product.batch * product.rows * product.columns);
      if (parts > 1) cycles += kKernelCycles + 8 * parts * results / kBytesPerCycle;
      depth = std::max(depth, product.depth);
    }
    if (parts > 1 && depth < kLeastDepth) continue;
    if (!best.empty() && cycles >= least) continue;
    best = name;
    least = cycles;
  }
  return best;
}

namespace {

/// The stages of all products' operands.
std::vector<std::string> operands(const Computation& c) {
  std::vector<std::string> names;
  for (const GpuProduct& product : gpu_products(c)) {
    names.push_back(product.rows_name);
    names.push_back(product.columns_name);
  }
  return names;
}

/// By how many elements of `axis` the index moves on at a time; 0 if it does not depend on it.
int64_t stretch_of(const Expr& index, const std::string& axis) {
  if (!uses_variable(index, axis)) return 0;
  int64_t stretch = 1;
  visit(index, [&](const Expr& e) {
    if (e.is(ExprKind::floor_div) && e->args[1].is_int() && uses_variable(e->args[0], axis))
      stretch = std::max(stretch, e->args[1]->int_value);
  });
  return stretch;
}

}  // namespace

/// Constants that a product's operand is made of: stored in the order in which the operand runs over them.
Layouts gpu_layouts(const Computation& c, const FixedLayouts& fixed) {
  Layouts layouts = fixed;
  for (const std::string& operand : operands(c)) {
    const Stage& stage = c.stages[static_cast<size_t>(c.find_stage(operand))];
    const std::string &own = stage.axes.back().name, &k = stage.axes[stage.axes.size() - 2].name;
    for (const Expr& e : stage_accesses(stage)) {
      const TensorDecl& tensor = c.tensors[static_cast<size_t>(e->id)];
      if (tensor.role != Role::constant || layouts.count(tensor.name)) continue;
      std::vector<int64_t> order, last;
      for (size_t d = 0; d < e->args.size(); ++d) {
        (uses_variable(e->args[d], own) ? last : order).push_back(static_cast<int64_t>(d));
      }
      const auto stretch = [&](int64_t d) {
        const int64_t found = stretch_of(e->args[static_cast<size_t>(d)], k);
        return found == 0 ? std::numeric_limits<int64_t>::max() : found;
      };
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return stretch(a) > stretch(b); });
      order.insert(order.end(), last.begin(), last.end());
      if (!last.empty() && !std::is_sorted(order.begin(), order.end())) layouts[tensor.name].reorder(order);
    }
  }
  return layouts;
}

Schedule gpu_schedule(const Computation& c, const Layouts& layouts, const Target& target) {
  Schedule schedule;
  if (gpu_products_fit(c, layouts)) {
    schedule_gpu_products(c, layouts, choose_gpu_tile(gpu_products(c), target).tile, schedule);
  } else if (!operands(c).empty()) {
    for (const std::string& operand : operands(c)) schedule[operand].inline_stage();
  } else if (const GpuRows rows = default_gpu_rows(c, layouts, target); rows.axes > 0) {
    schedule_gpu_rows(c, layouts, rows, schedule);
  }
  for (const Stage& stage : c.stages) {
    if (schedule.stages.count(stage.name)) continue;
    schedule[stage.name] =
        stage.reduce.empty()
            ? schedule_gpu_map(c, stage, layouts, default_gpu_map(c, stage, layouts))
            : schedule_gpu_reduction(c, stage, layouts, default_gpu_reduction(c, stage, layouts, target));
  }
  return schedule;
}

}  // namespace altrt::jit
