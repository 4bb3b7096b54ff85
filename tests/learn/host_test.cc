// A host that holds another XGBoost, whose symbols the whole process can see: the plug-in must not call it.
#include <gtest/gtest.h>

#include <vector>

#include "tests/learn/plugin.h"
#include "tuner/cost/cost_model.h"

namespace {
int calls = 0;
}

#define HOSTS_OWN(name) \
  extern "C" __attribute__((visibility("default"))) int name() { return ++calls, -1; }
HOSTS_OWN(XGBGetGlobalConfig)
HOSTS_OWN(XGBSetGlobalConfig)
HOSTS_OWN(XGDMatrixCreateFromMat)
HOSTS_OWN(XGDMatrixCreateFromMat_omp)
HOSTS_OWN(XGDMatrixSetFloatInfo)
HOSTS_OWN(XGDMatrixSetDenseInfo)
HOSTS_OWN(XGDMatrixFree)
HOSTS_OWN(XGBoosterCreate)
HOSTS_OWN(XGBoosterSetParam)
HOSTS_OWN(XGBoosterUpdateOneIter)
HOSTS_OWN(XGBoosterPredictFromDense)
HOSTS_OWN(XGBoosterFree)

// A C++ function inside XGBoost, called by it through its own table: the registry of tree methods and objectives.
namespace dmlc {
template <typename Entry>
struct Registry {
  static Registry* Get();
};
}  // namespace dmlc
namespace xgboost {
struct ObjFunctionReg;
}
template <>
__attribute__((visibility("default"))) dmlc::Registry<xgboost::ObjFunctionReg>*
dmlc::Registry<xgboost::ObjFunctionReg>::Get() {
  ++calls;
  return nullptr;
}

namespace altrt::tuner {
namespace {

TEST(HostWithAnotherXgboost, IsNeverCalled) {
  NEEDS_PLUGIN();
  const auto model = make_cost_model(1);
  ASSERT_EQ(model->name(), "xgboost");
  FeatureRows rows{1, {}};
  std::vector<double> throughputs;
  for (int i = 0; i < 40; ++i) {
    rows.values.push_back(static_cast<float>(i));
    throughputs.push_back(1 + i);
  }
  model->add(rows, throughputs, 1);
  model->fit();
  const std::vector<double> predicted = model->predict({1, {2, 37}});
  EXPECT_EQ(model->name(), "xgboost");
  EXPECT_LT(predicted[0], predicted[1] - 0.5);
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace altrt::tuner
