// What a GPU does with a group untuned.
#include <gtest/gtest.h>

#include "jit/compile/gpu_templates.h"
#include "jit/expr/algorithms.h"
#include "tests/jit_gpu/gpu_case.h"

namespace altrt::jit {
namespace {

/// A layout may leave the result of a product no loop of its rows and none of its columns.
TEST(GpuSchedule, ProductsWithMergedLoops) {
  property::Random random(1);
  const Computation c = apply_algorithm(property::make_computation("matmul", random), "gemm");
  Layouts layouts;
  EXPECT_TRUE(gpu_products_fit(c, layouts));
  const TensorDecl& result =
      c.tensors[static_cast<size_t>(c.stages[static_cast<size_t>(gpu_products(c).at(0).stage)].outputs[0])];
  ASSERT_EQ(result.shape.size(), 2u);
  layouts[result.name].fuse(0, 2);
  EXPECT_FALSE(gpu_products_fit(c, layouts));
  const Schedule schedule = gpu_schedule(c, layouts, property::gpu_for_cases());
  EXPECT_GT(lower(c, layouts, schedule).size(), 0u);
}

}  // namespace
}  // namespace altrt::jit
