#include <altrt/export.h>

#include "tuner/learn/boosted_trees.h"
#include "tuner/learn/plugin.h"
#include "tuner/learn/ppo.h"
#include "tuner/learn/xgboost.h"

namespace altrt::tuner {
namespace {

class Libraries : public Learning {
 public:
  std::unique_ptr<Regressor> boosted_trees(uint64_t seed) const override {
    return std::make_unique<learn::BoostedTrees>(learn::open_xgboost(), seed);
  }
  std::unique_ptr<LayoutProposer> ppo(const std::vector<Knob>& knobs, uint64_t seed) const override {
    return std::make_unique<learn::Ppo>(knobs, seed);
  }
};

}  // namespace
}  // namespace altrt::tuner

extern "C" ALTRT_API altrt::tuner::Learning* altrt_create_learning() { return new altrt::tuner::Libraries; }
