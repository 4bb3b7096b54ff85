// A host program that knows the installed package only: calls in, and catches what libaltrt throws.
#include <altrt/altrt.h>

#include <cstdio>

int main() {
  if (altrt::element_count({2, 3, 4}) != 24) return 1;
  try {
    altrt::Model::load("/nowhere/model.onnx");
  } catch (const altrt::Error& error) {
    std::printf("%s: %s\n", altrt::version().c_str(), error.what());
    return error.code() == altrt::ErrorCode::io ? 0 : 2;
  }
  return 3;
}
