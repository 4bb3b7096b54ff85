// What a caller can do wrong, and what he is told.
#include <dlfcn.h>

#include <fstream>
#include <functional>

#include "tests/session/models.h"

namespace altrt {
namespace {

void expect_error(ErrorCode code, const std::vector<std::string>& words, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    for (const std::string& word : words) {
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << "'" << word << "' in: " << error.what();
    }
  }
}

class SessionErrors : public ::testing::Test {
 protected:
  void expect_refused(ErrorCode code, const std::vector<std::string>& words,
                      const std::function<void(SessionOptions&)>& change) {
    SessionOptions options;
    change(options);
    expect_error(code, words, [&] { Session(model_, options); });
  }
  const Model model_ = conv_net();
};

TEST_F(SessionErrors, OptionsAreChecked) {
  const auto bad = ErrorCode::invalid_argument;
  expect_refused(bad, {"threads", "-1"}, [](auto& o) { o.threads = -1; });
  expect_refused(bad, {"threads", "100000"}, [](auto& o) { o.threads = 100000; });
  expect_refused(bad, {"spin_microseconds"}, [](auto& o) { o.spin_microseconds = -5; });
  expect_refused(bad, {"cudnn", "own", "onednn"}, [](auto& o) { o.providers = {"own", "cudnn"}; });
  expect_refused(bad, {"fast", "direct"}, [](auto& o) { o.algorithm = "fast"; });
  expect_refused(bad, {"conv_net", "'z'", "'x'"}, [](auto& o) { o.input_shapes["z"] = {1}; });
  expect_refused(bad, {"'x'", "4 dimensions", "[1, 3]"}, [](auto& o) { o.input_shapes["x"] = {1, 3}; });
  expect_refused(bad, {"batch"}, [](auto& o) { o.dimensions["batch"] = 1; });
  expect_refused(bad, {"budget"}, [](auto& o) { o.tuning.budget = std::chrono::milliseconds(-1); });
  expect_refused(bad, {"max_trials"}, [](auto& o) { o.tuning.max_trials = -1; });
  expect_refused(bad, {"device_number", "-2"}, [](auto& o) { o.device_number = -2; });
  expect_refused(bad, {"arch", "avx2", "inspect"}, [](auto& o) { o.arch = "avx2"; });
}

TEST_F(SessionErrors, WithoutItsLibraryADeviceIsUnavailable) {
  if (dlopen("libcuda.so.1", RTLD_LAZY)) GTEST_SKIP() << "here is one";
  expect_refused(ErrorCode::unavailable, {"libcuda.so.1"}, [](auto& o) { o.device = Device::cuda; });
  std::vector<std::string> lines;
  SessionOptions options;
  options.device = Device::automatic;
  options.log = [&](LogLevel level, const std::string& line) {
    if (line.find("libcuda.so.1") == std::string::npos) return;
    EXPECT_EQ(level, LogLevel::info) << line;
    lines.push_back(line);
  };
  const Session session(model_, options);
  EXPECT_EQ(lines.size(), 1u);
  EXPECT_EQ(session.info().device, Device::cpu);
  const Tensors inputs = make_inputs(session.inputs(), 3);
  expect_close(session.run(views(inputs)), evaluate_reference(model_, views(inputs)));
}

// Neither CUDA nor NVRTC is opened by who does not ask for it.
TEST_F(SessionErrors, SessionsOnTheCpuOpenNothingOfCuda) {
  SessionOptions options;
  options.cache.directory = "none";
  const Session session(model_, options);
  session.run(views(make_inputs(session.inputs(), 3)));
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    EXPECT_EQ(line.find("libcuda"), std::string::npos) << line;
    EXPECT_EQ(line.find("libnvrtc"), std::string::npos) << line;
  }
}

TEST_F(SessionErrors, BindingsAreChecked) {
  const auto bad = ErrorCode::invalid_argument;
  const Session session(model_);
  Context context = session.context();
  std::vector<float> x(element_count({1, 3, 17, 17}) + 1), y(10);
  const auto bind = [&](const std::string& name, const TensorView& view) {
    return [&context, name, view] { context.bind(name, view); };
  };
  expect_error(bad, {"conv_net", "'q'", "'x'", "'y'"}, bind("q", TensorView(x.data(), {1})));
  expect_error(bad, {"input 'x'", "[1, 3, 17, 17]", "[1, 3, 17, 16]"}, bind("x", TensorView(x.data(), {1, 3, 17, 16})));
  expect_error(bad, {"output 'y'", "[1, 10]", "[10]"}, bind("y", TensorView(y.data(), {10})));
  std::vector<double> wide(x.size());
  expect_error(bad, {"'x'", "f32", "f64"}, bind("x", TensorView(wide.data(), {1, 3, 17, 17})));
  expect_error(bad, {"'x'", "null"}, bind("x", TensorView(static_cast<float*>(nullptr), {1, 3, 17, 17})));
  auto* odd = reinterpret_cast<float*>(reinterpret_cast<char*>(x.data()) + 1);
  expect_error(bad, {"'x'", "aligned"}, bind("x", TensorView(odd, {1, 3, 17, 17})));
  expect_error(bad, {"'x'", "not bound"}, [&] { session.run(context); });
  expect_error(bad, {"'nothing'", "'y'"}, [&] { context.output("nothing"); });
}

TEST_F(SessionErrors, OverlappingMemoryIsRefused) {
  const Session session(alias_net());
  Context context = session.context();
  std::vector<float> x(48);
  context.bind("x", TensorView(x.data(), {3, 8}));
  context.bind("a", TensorView(x.data() + 23, {3, 8}));
  expect_error(ErrorCode::invalid_argument, {"'a'", "'x'", "overlaps"}, [&] { session.run(context); });
  context.bind("a", TensorView(x.data() + 24, {3, 8}));
  session.run(context);
}

TEST_F(SessionErrors, ContextsBelongToTheirSession) {
  const Session one(model_), other(model_);
  Context context = one.context();
  expect_error(ErrorCode::invalid_argument, {"another session"}, [&] { other.run(context); });
  Context moved = std::move(context);
  expect_error(ErrorCode::invalid_argument, {"moved"}, [&] { one.run(context); });  // NOLINT(bugprone-use-after-move)
  expect_error(ErrorCode::invalid_argument, {"moved"},
               [&] { context.output("y"); });  // NOLINT(bugprone-use-after-move)
}

TEST_F(SessionErrors, TheMapFormNamesMissingAndUnknownInputs) {
  const Session session(model_);
  expect_error(ErrorCode::invalid_argument, {"'x'", "not bound"}, [&] { session.run(Views{}); });
  float value = 0;
  expect_error(ErrorCode::invalid_argument, {"'y'"}, [&] { session.run({{"y", TensorView(&value, {})}}); });
}

TEST_F(SessionErrors, AFailedCallLeavesTheSessionUsable) {
  const Session session(model_);
  EXPECT_THROW(session.run(Views{}), Error);
  const Tensors inputs = make_inputs(session.inputs(), 3);
  expect_close(session.run(views(inputs)), evaluate_reference(model_, views(inputs)));
}

TEST_F(SessionErrors, UnsupportedOperatorsAreAllNamed) {
  GraphBuilder b("strange");
  b.input("x", DataType::f32, {2});
  b.output(b.op("Blink", {b.op("Wink", {b.op("Wink", {"x"})})}));
  Model model = b.build();
  expect_error(ErrorCode::unsupported, {"Blink", "Wink", "2"}, [&] { Session session(model); });
}

TEST_F(SessionErrors, TheReferenceEvaluatorChecksItsInputs) {
  expect_error(ErrorCode::invalid_argument, {"'x'"}, [&] { evaluate_reference(model_, {}); });
  std::vector<double> wide(element_count({1, 3, 17, 17}));
  expect_error(ErrorCode::invalid_argument, {"'x'", "f32", "f64"}, [&] {
    evaluate_reference(model_, {{"x", TensorView(wide.data(), {1, 3, 17, 17})}});
  });
}

}  // namespace
}  // namespace altrt
