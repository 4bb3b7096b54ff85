// Checks of errors by code and text.
#pragma once

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace altrt {

/// Runs `f` and checks that it throws an Error with the code whose message contains every text.
template <typename F>
void expect_error(ErrorCode code, const std::vector<std::string>& texts, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    for (const auto& text : texts) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << "'" << text << "' not in: " << error.what();
    }
    return;
  }
  ADD_FAILURE() << "no error; expected one with '" << (texts.empty() ? "" : texts[0]) << "'";
}

}  // namespace altrt
