// Hand-made schedules, one for each feature of lowering. Their nests have golden texts, and every back end takes them.
#pragma once

#include <string>
#include <vector>

#include "tests/property/generator.h"

namespace altrt::jit {

struct GoldenCase {
  std::string name;  // of the text, golden/<name>.txt
  property::Case c;  // verified and lowered
};
const std::vector<GoldenCase>& golden_cases();

}  // namespace altrt::jit
