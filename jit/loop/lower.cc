#include "jit/loop/lower.h"

#include "jit/expr/math.h"
#include "jit/loop/emit.h"
#include "jit/loop/prepare.h"
#include "jit/loop/promote.h"

namespace altrt::jit {

namespace {

void replace_math(std::vector<Stmt>& body, MathMode mode) {
  for (Stmt& stmt : body) {
    if (stmt.kind == StmtKind::store)
      stmt.value = mode == MathMode::expanded ? expand_math(stmt.value) : surrogate_math(stmt.value);
    replace_math(stmt.body, mode);
    replace_math(stmt.otherwise, mode);
  }
}

/// Numbers of the Computation that was given; tensors that lowering added follow its own.
std::vector<int> numbers_before(const Computation& before, const Computation& after) {
  std::vector<int> numbers;
  int next = static_cast<int>(before.tensors.size());
  for (const TensorDecl& tensor : after.tensors) {
    const int number = before.find_tensor(tensor.name);
    numbers.push_back(number >= 0 ? number : next++);
  }
  return numbers;
}

}  // namespace

std::vector<LoweredKernel> lower(const Computation& c, const Layouts& layouts, const Schedule& schedule,
                                 MathMode math) {
  const Prepared group = prepare(c, layouts, schedule);
  const std::vector<int> numbers = numbers_before(c, group.computation);
  std::vector<LoweredKernel> kernels;
  for (size_t i = 0; i < group.placements.size(); ++i) {
    if (group.placements[i].at >= 0) continue;
    LoweredKernel kernel = emit_kernel(group, static_cast<int>(i));
    for (int& tensor : kernel.arguments) tensor = numbers[static_cast<size_t>(tensor)];
    promote_to_registers(kernel.nest);
    replace_math(kernel.nest.body, math);
    verify(kernel.nest);
    kernels.push_back(std::move(kernel));
  }
  return kernels;
}

}  // namespace altrt::jit
