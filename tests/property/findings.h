// What became of seeded faults of one kind.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <string>
#include <vector>

#include "tests/property/isolate.h"

namespace altrt::property {

struct Findings {
  int faults = 0, wrong = 0, died = 0;
  std::map<std::string, int> none;  // why -> how many were no fault
  std::vector<std::string> missed;

  /// `why_none`: "" where it is a fault. `place` names one that was missed. Whether it counts as a fault.
  bool add(Fate fate, const std::string& why_none, const std::string& place) {
    if (!why_none.empty()) {
      ++none[why_none];
      return false;
    }
    ++faults;
    wrong += fate == Fate::wrong;
    died += fate == Fate::died;
    if (fate == Fate::right) missed.push_back(place);
    return true;
  }

  std::string summary() const {
    std::string text = std::to_string(wrong + died) + " of " + std::to_string(faults) +
                       " found: " + std::to_string(wrong) + " by results, " + std::to_string(died) +
                       " by guard pages or traps; none:";
    for (const auto& [why, count] : none) text += " " + std::to_string(count) + " " + why + ";";
    return text;
  }
};

/// A kind of fault as the name of a test.
inline std::string fault_name(const testing::TestParamInfo<std::string>& info) {
  std::string name;
  for (const char c : info.param) name += std::isalpha(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

}  // namespace altrt::property
