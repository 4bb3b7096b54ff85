#include "runtime/base/dynlib.h"

#include <altrt/error.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace altrt::base {
namespace {

template <typename Call>
std::string unavailable(Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    return error.what();
  }
  return "no error";
}

TEST(DynLib, OpensAndCalls) {
  DynLib math = DynLib::open("libm.so.6");
  EXPECT_EQ(math.function<double(double)>("floor")(2.5), 2.0);
}

TEST(DynLib, ErrorsNameLibraryAndSymbol) {
  EXPECT_NE(unavailable([] { DynLib::open("/nowhere/libx.so"); }).find("/nowhere/libx.so"), std::string::npos);
  const std::string message = unavailable([] { DynLib::open("libm.so.6").address("altrt_no_such_symbol"); });
  EXPECT_NE(message.find("libm.so.6"), std::string::npos) << message;
  EXPECT_NE(message.find("altrt_no_such_symbol"), std::string::npos) << message;
}

TEST(DynLib, LooksBesideTheLibrary) {
  EXPECT_TRUE(std::filesystem::is_directory(library_folder()));
  const std::string message = unavailable([] { DynLib::open_beside("libaltrt_absent.so"); });
  EXPECT_NE(message.find(library_folder() + "/libaltrt_absent.so"), std::string::npos) << message;
}

}  // namespace
}  // namespace altrt::base
