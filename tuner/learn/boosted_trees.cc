#include "tuner/learn/boosted_trees.h"

#include <cfenv>
#include <limits>
#include <string>
#include <utility>

#include <altrt/error.h>

namespace altrt::tuner::learn {
namespace {

// Many shallow trees: on 300 rows twice as fast as half as many deeper ones, and ranking better.
constexpr int kRounds = 100;
constexpr std::pair<const char*, const char*> kSettings[] = {
    {"nthread", "1"},    {"verbosity", "0"},      {"objective", "reg:squarederror"},
    {"base_score", "0"}, {"tree_method", "hist"}, {"max_bin", "64"},
    {"max_depth", "4"},  {"eta", "0.15"},         {"min_child_weight", "1"},
};

/// The caller's floating-point environment (rounding, traps, flags) and XGBoost's settings of this thread are put
/// aside: with the standard ones results don't depend on the host. A log callback could not be put back, since there is
/// no asking for it: verbosity 0 alone keeps XGBoost silent.
class Scope {
 public:
  explicit Scope(const XgboostApi& api) : api_(api) {
    std::fegetenv(&environment_);
    std::fesetenv(FE_DFL_ENV);
    const char* config = nullptr;
    if (api.get_config(&config) == 0 && config) config_ = config;
    api.set_config("{\"verbosity\": 0}");
  }
  ~Scope() {
    if (!config_.empty()) api_.set_config(config_.c_str());
    std::fesetenv(&environment_);
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  const XgboostApi& api_;
  std::fenv_t environment_;
  std::string config_;
};

// Frees what XGBoost made.
template <typename Free>
struct Held {
  void* handle = nullptr;
  Free free;

  explicit Held(Free free_it) : free(free_it) {}
  ~Held() {
    if (handle) free(handle);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
};

}  // namespace

BoostedTrees::~BoostedTrees() {
  if (booster_) api_.booster_free(booster_);
}

void BoostedTrees::check(int result) const {
  if (result == 0) return;
  std::string reason = api_.last_error();
  reason = reason.substr(0, reason.find("\nStack trace"));
  throw Error(ErrorCode::internal, "XGBoost: " + reason);
}

void BoostedTrees::fit(const FeatureRows& rows, const std::vector<float>& labels) {
  const Scope scope(api_);
  Held matrix(api_.matrix_free);
  check(api_.matrix_create(rows.values.data(), rows.count(), rows.width, std::numeric_limits<float>::quiet_NaN(),
                           &matrix.handle, 1));
  check(api_.matrix_set_info(matrix.handle, "label", labels.data(), labels.size()));
  Held booster(api_.booster_free);
  check(api_.booster_create(&matrix.handle, 1, &booster.handle));
  for (const auto& [name, value] : kSettings) check(api_.booster_set(booster.handle, name, value));
  check(api_.booster_set(booster.handle, "seed", std::to_string(seed_ % 0x7fffffff).c_str()));
  for (int round = 0; round < kRounds; ++round) check(api_.booster_update(booster.handle, round, matrix.handle));
  std::swap(booster_, booster.handle);
}

std::vector<double> BoostedTrees::predict(const FeatureRows& rows) const {
  const Scope scope(api_);
  const std::string array = "{\"data\": [" + std::to_string(reinterpret_cast<uintptr_t>(rows.values.data())) +
                            ", true], \"shape\": [" + std::to_string(rows.count()) + ", " + std::to_string(rows.width) +
                            "], \"typestr\": \"<f4\", \"version\": 3}";
  constexpr const char* kHow =
      "{\"type\": 0, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, \"strict_shape\": false, "
      "\"cache_id\": 0, \"missing\": NaN}";
  const bst_ulong* shape = nullptr;
  bst_ulong dimensions = 0;
  const float* predicted = nullptr;
  check(api_.booster_predict(booster_, array.c_str(), kHow, nullptr, &shape, &dimensions, &predicted));
  bst_ulong count = 1;
  for (bst_ulong d = 0; d < dimensions; ++d) count *= shape[d];
  if (count != rows.count()) throw Error(ErrorCode::internal, "XGBoost: predictions are not one a row");
  return {predicted, predicted + count};
}

}  // namespace altrt::tuner::learn
