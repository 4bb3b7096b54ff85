#pragma once

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <string>

namespace altrt::jit::gpu {

/// The message of the Error that `act` throws, whose code must be that one.
template <typename Act>
std::string error_of(ErrorCode code, Act act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

inline ::testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "'" << part << "' is not in: " << text;
}

}  // namespace altrt::jit::gpu
