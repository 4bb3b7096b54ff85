#include <mutex>

#include <altrt/error.h>

#include "runtime/base/dynlib.h"
#include "runtime/base/log.h"
#include "tuner/learn/plugin.h"

namespace altrt::tuner {
namespace {

struct Opened {
  std::mutex mutex;
  const Learning* learning = nullptr;
  bool tried = false;
};

Opened& opened() {
  static Opened opened;
  return opened;
}

const Learning* open(const base::DynLib& library) { return library.function<CreateLearning>(kCreateLearning)(); }

}  // namespace

const Learning* open_learning() {
  Opened& state = opened();
  const std::lock_guard lock(state.mutex);
  if (state.tried) return state.learning;
  state.tried = true;
  try {
    state.learning = open(base::DynLib::open_beside(kLearningFile));
  } catch (const Error& error) {
    base::log(base::LogLevel::info, std::string("the tuner goes without XGBoost and PPO: ") + error.what() +
                                        "; used instead: ridge regression and evolution");
  }
  return state.learning;
}

const Learning* open_learning_file(const std::string& file) {
  const Learning* const learning = open(base::DynLib::open(file));
  Opened& state = opened();
  const std::lock_guard lock(state.mutex);
  state.learning = learning;
  state.tried = true;
  return learning;
}

}  // namespace altrt::tuner
