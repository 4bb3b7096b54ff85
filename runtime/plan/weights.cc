#include "runtime/plan/weights.h"

#include <utility>

namespace altrt::plan {

std::shared_ptr<const void> WeightStore::get(const std::string& key,
                                             const std::function<std::shared_ptr<const void>()>& make) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = constants_.find(key);
    if (found != constants_.end()) {
      if (std::shared_ptr<const void> constant = found->second.lock()) return constant;
    }
  }
  // Made outside the lock, so that sessions built at the same time pack different weights at the same time.
  std::shared_ptr<const void> made = make();
  const std::lock_guard lock(mutex_);
  std::weak_ptr<const void>& entry = constants_[key];
  if (std::shared_ptr<const void> other = entry.lock()) return other;
  entry = made;
  return made;
}

std::shared_ptr<WeightStore> weight_store(const std::shared_ptr<const graph::Graph>& model,
                                          const std::string& variant) {
  struct Entry {
    std::weak_ptr<const graph::Graph> model;
    std::weak_ptr<WeightStore> store;
  };
  struct Registry {
    std::mutex mutex;
    std::map<std::pair<const graph::Graph*, std::string>, Entry> entries;
  };
  // Never destroyed: sessions may outlive static objects.
  static Registry* registry = new Registry;
  const std::lock_guard lock(registry->mutex);
  std::erase_if(registry->entries, [](const auto& entry) { return entry.second.store.expired(); });
  Entry& entry = registry->entries[{model.get(), variant}];
  // Another model may have got the address of one that is gone.
  std::shared_ptr<WeightStore> store = entry.model.lock() == model ? entry.store.lock() : nullptr;
  if (!store) {
    store = std::make_shared<WeightStore>();
    entry = {model, store};
  }
  return store;
}

}  // namespace altrt::plan
