// XGBoost, opened at run time.
#pragma once

#include <xgboost/c_api.h>

namespace altrt::tuner::learn {

/// The functions of the C interface that are used.
struct XgboostApi {
  decltype(&XGBoostVersion) version;
  decltype(&XGBGetLastError) last_error;
  decltype(&XGBGetGlobalConfig) get_config;
  decltype(&XGBSetGlobalConfig) set_config;
  decltype(&XGDMatrixCreateFromMat_omp) matrix_create;
  decltype(&XGDMatrixSetFloatInfo) matrix_set_info;
  decltype(&XGDMatrixFree) matrix_free;
  decltype(&XGBoosterCreate) booster_create;
  decltype(&XGBoosterSetParam) booster_set;
  decltype(&XGBoosterUpdateOneIter) booster_update;
  decltype(&XGBoosterPredictFromDense) booster_predict;
  decltype(&XGBoosterFree) booster_free;
};

/// From the file named by ALTRT_XGBOOST, else the one that the plug-in was built with, else libxgboost.so.0 or
/// libxgboost.so by the system's search. Throws Error(unavailable).
///
/// It is opened by name rather than linked, so that its symbols are looked up in it and nowhere else, and prefers its
/// own symbols to what the process shows to everybody.
const XgboostApi& open_xgboost();

}  // namespace altrt::tuner::learn
