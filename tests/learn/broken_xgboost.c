// An XGBoost that fails in training, as one of another version might.
static const char* reason = "no error";

void XGBoostVersion(int* major, int* minor, int* patch) { *major = *minor = *patch = 0; }
const char* XGBGetLastError(void) { return reason; }
int XGBGetGlobalConfig(const char** config) {
  *config = "{}";
  return 0;
}
int XGBSetGlobalConfig(const char* config) { return config ? 0 : -1; }
int XGDMatrixCreateFromMat_omp(const float* data, unsigned long rows, unsigned long columns, float missing, void** out,
                               int threads) {
  static int matrix;
  *out = &matrix;
  return data && rows && columns && missing != missing && threads == 1 ? 0 : -1;
}
int XGDMatrixSetFloatInfo(void* matrix, const char* field, const float* values, unsigned long count) {
  return matrix && field && values && count ? 0 : -1;
}
int XGDMatrixFree(void* matrix) { return matrix ? 0 : -1; }
int XGBoosterCreate(void* const* matrices, unsigned long count, void** out) {
  static int booster;
  *out = &booster;
  return matrices && count ? 0 : -1;
}
int XGBoosterSetParam(void* booster, const char* name, const char* value) { return booster && name && value ? 0 : -1; }
int XGBoosterUpdateOneIter(void* booster, int iteration, void* matrix) {
  reason = "out of luck\nStack trace:\n  (0) somewhere";
  return booster && matrix && iteration >= 0 ? -1 : 0;
}
int XGBoosterPredictFromDense(void* booster, const char* values, const char* config, void* matrix,
                              const unsigned long** shape, unsigned long* dimensions, const float** out) {
  (void)booster, (void)values, (void)config, (void)matrix, (void)shape, (void)dimensions, (void)out;
  return -1;
}
int XGBoosterFree(void* booster) { return booster ? 0 : -1; }
