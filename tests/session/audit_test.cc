// Every kernel that sessions make for whole models is audited: no instruction beyond what this machine is said to have.
// CTest runs this for the machine as it is and once more restricted to AVX2.
#include <cstdlib>
#include <regex>

#include "tests/session/models.h"

namespace altrt {
namespace {

class Audit : public testing::Test {
 protected:
  void SetUp() override {
    const char* verify = std::getenv("ALTRT_VERIFY");
    if (!verify || std::string(verify) != "1") GTEST_SKIP() << "without ALTRT_VERIFY=1 nothing is audited";
  }
  /// Makes a session; each kernel compiled must leave the line of its audit, for the features allowed.
  static Session audited(const Model& model, const std::string& algorithm = "") {
    int audits = 0;
    SessionOptions options;
    options.threads = 1;  // so that the session's log hears of every compilation
    options.cache.directory = "none";
    options.algorithm = algorithm;
    options.providers = {"own"};
    options.log = [&](LogLevel, const std::string& line) {
      if (line.rfind("audited ", 0) != 0) return;
      ++audits;
      EXPECT_FALSE(restricted() && line.find("avx512") != std::string::npos) << line;
    };
    Session session(model, options);
    EXPECT_GT(audits, 0);
    EXPECT_EQ(audits, session.info().kernels_compiled);
    return session;
  }
  static bool restricted() {
    const char* limit = std::getenv("ALTRT_CPU_FEATURES");
    return limit && std::string(limit) == "avx2";
  }
};

TEST_F(Audit, EveryKernelOfWholeModels) {
  const std::regex wide("%zmm|%k[0-7]|%[xy]mm(1[6-9]|2[0-9]|3[01])");
  for (const Model& model : {conv_net(), conv_net(3), attention_net(), alias_net()}) {
    SCOPED_TRACE(model.name());
    const Session session = audited(model);
    const Tensors inputs = make_inputs(session.inputs(), 5);
    expect_close(session.run(views(inputs)), evaluate_reference(model, views(inputs)));
    EXPECT_FALSE(restricted() && std::regex_search(session.inspect("asm"), wide));
  }
}

TEST_F(Audit, EveryElementwiseFunction) {
  for (const char* type : {"Exp", "Log", "Tanh", "Erf", "Sigmoid", "Sqrt", "Reciprocal", "Softplus", "HardSwish",
                           "Floor", "Round", "Sign", "IsNaN", "Sin", "Acosh"}) {
    SCOPED_TRACE(type);
    audited(one_op(type, {3, 37}));
  }
}

}  // namespace
}  // namespace altrt
