// A library in the place of libcuda.so.1 that has nothing but a version.
#include <cstdlib>

extern "C" __attribute__((visibility("default"))) int cuDriverGetVersion(int* version) {
  const char* text = std::getenv("ALTRT_TEST_DRIVER_VERSION");
  *version = text ? std::atoi(text) : 0;
  return 0;
}
