// Packed weights, shared between the sessions of one model.
#pragma once

#include <altrt/model.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace altrt::plan {

/// Constants of one model (at given input shapes) in the layouts that plans want. Holds them weakly: they live as long
/// as a plan uses them. Thread-safe.
class WeightStore {
 public:
  /// The constant known by `key`, made by `make` if nobody has it. The key names value and layout, or the kernel and
  /// everything that it reads.
  std::shared_ptr<const void> get(const std::string& key, const std::function<std::shared_ptr<const void>()>& make);

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const void>> constants_;
};

/// The store of a model whose graph is simplified in the way that `variant` names (shapes of the inputs). Equal for all
/// sessions that share the graph; lives as long as somebody holds it.
std::shared_ptr<WeightStore> weight_store(const std::shared_ptr<const graph::Graph>& model, const std::string& variant);

}  // namespace altrt::plan
