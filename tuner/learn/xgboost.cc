#include "tuner/learn/xgboost.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <altrt/error.h>

namespace altrt::tuner::learn {
namespace {

// Its own symbols first: else it would take inline functions from the host's libraries, and keep those from being
// closed.
#ifdef ALTRT_SANITIZE_BUILD  // sanitizers can't have that
constexpr int kFlags = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

void* open_first() {
  std::vector<std::string> names;
  const char* const chosen = std::getenv("ALTRT_XGBOOST");
  if (chosen && *chosen) {
    names = {chosen};
  } else {
    names = {ALTRT_XGBOOST_FILE, "libxgboost.so.0", "libxgboost.so"};
  }
  std::string reasons;
  for (const std::string& name : names) {
    if (void* handle = dlopen(name.c_str(), kFlags)) return handle;
    const char* reason = dlerror();
    reasons += (reasons.empty() ? "" : "; ") + std::string(reason ? reason : name);
  }
  throw Error(ErrorCode::unavailable, "cannot open XGBoost: " + reasons);
}

template <typename Function>
void find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  if (!function) throw Error(ErrorCode::unavailable, std::string("XGBoost has no function ") + name);
}

XgboostApi open_api() {
  void* handle = open_first();
  XgboostApi api;
  find(handle, "XGBoostVersion", api.version);
  find(handle, "XGBGetLastError", api.last_error);
  find(handle, "XGBGetGlobalConfig", api.get_config);
  find(handle, "XGBSetGlobalConfig", api.set_config);
  find(handle, "XGDMatrixCreateFromMat_omp", api.matrix_create);
  find(handle, "XGDMatrixSetFloatInfo", api.matrix_set_info);
  find(handle, "XGDMatrixFree", api.matrix_free);
  find(handle, "XGBoosterCreate", api.booster_create);
  find(handle, "XGBoosterSetParam", api.booster_set);
  find(handle, "XGBoosterUpdateOneIter", api.booster_update);
  find(handle, "XGBoosterPredictFromDense", api.booster_predict);
  find(handle, "XGBoosterFree", api.booster_free);
  return api;
}

}  // namespace

const XgboostApi& open_xgboost() {
  static const XgboostApi api = open_api();
  return api;
}

}  // namespace altrt::tuner::learn
