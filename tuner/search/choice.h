// Choice: a point of the search spaces by the names of its knobs. What one group's search tells another's, whose knobs
// are the same but for their values.
#pragma once

#include <string>
#include <vector>

#include "tuner/space/knobs.h"

namespace altrt::tuner {

struct Choice {
  std::string algorithm;
  double flops = 0;  // of the group
  Values layout, loops;

  bool operator==(const Choice&) const = default;
};

/// "winograd4 flops=231211008 layout output_block=16 loops blocks=2 unroll=4". Reading it back: Error(invalid_argument)
/// on nonsense.
std::string to_string(const Choice& choice);
Choice parse_choice(const std::string& text);

/// Up to `count` of the choices for a group of so many operations, those of the most similar groups first.
std::vector<Choice> most_similar(std::vector<Choice> choices, double flops, size_t count);

}  // namespace altrt::tuner
