// What the plug-in libaltrt_tuner.so brings: boosted trees (XGBoost) and PPO (networks on Eigen). It is opened at run
// time from beside libaltrt, so that a host's process stays clean of those libraries until it tunes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tuner/cost/regressor.h"
#include "tuner/search/proposer.h"

namespace altrt::tuner {

/// Calls are thread-safe. What it makes never outlives it: it is never closed.
class Learning {
 public:
  virtual ~Learning() = default;
  /// Opens XGBoost; throws Error(unavailable) where that fails.
  virtual std::unique_ptr<Regressor> boosted_trees(uint64_t seed) const = 0;
  virtual std::unique_ptr<LayoutProposer> ppo(const std::vector<Knob>& knobs, uint64_t seed) const = 0;
};

/// What the plug-in exports.
using CreateLearning = Learning*();
inline constexpr const char* kCreateLearning = "altrt_create_learning";
inline constexpr const char* kLearningFile = "libaltrt_tuner.so";

/// The plug-in, opened at the first call. Null where it is missing or does not load, after one line in the log (info)
/// that says why and what is used instead; said once a process.
const Learning* open_learning();
/// Opens the plug-in from a given file, which open_learning answers with from then on. Throws Error(unavailable).
const Learning* open_learning_file(const std::string& file);

}  // namespace altrt::tuner
