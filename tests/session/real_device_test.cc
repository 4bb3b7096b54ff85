// Sessions on a real NVIDIA GPU: the host's own stream, operators on the host in the middle, tuning. Skips itself where
// there is none, unless ALTRT_TEST_DEVICE=cuda says that there must be one.
#include <altrt/altrt.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "models.h"

namespace altrt {
namespace {

/// What a host program calls: the driver's functions, by the names that its header gives them.
class Driver {
 public:
  Driver() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) throw Error(ErrorCode::unavailable, "no libcuda.so.1");
    find(library, "cuInit", init_);
    find(library, "cuDevicePrimaryCtxRetain", retain_);
    find(library, "cuCtxSetCurrent", set_current_);
    find(library, "cuStreamCreate", create_);
    find(library, "cuStreamSynchronize", synchronize_);
    find(library, "cuStreamDestroy_v2", destroy_);
    void* context = nullptr;
    if (init_(0) != 0 || retain_(&context, 0) != 0 || set_current_(context) != 0) {
      throw Error(ErrorCode::unavailable, "no device");
    }
  }
  void* create() const {
    void* stream = nullptr;
    EXPECT_EQ(create_(&stream, 1), 0);  // CU_STREAM_NON_BLOCKING
    return stream;
  }
  void synchronize(void* stream) const { EXPECT_EQ(synchronize_(stream), 0); }
  void destroy(void* stream) const { EXPECT_EQ(destroy_(stream), 0); }

 private:
  template <typename Function>
  void find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (!function) throw Error(ErrorCode::unavailable, name);
  }
  int (*init_)(unsigned);
  int (*retain_)(void**, int);
  int (*set_current_)(void*);
  int (*create_)(void**, unsigned);
  int (*synchronize_)(void*);
  int (*destroy_)(void*);
};

class RealDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.device = Device::cuda;
    options_.cache.directory = "none";
    try {
      const Session session(conv_net(), options_);
    } catch (const Error& error) {
      const char* wanted = std::getenv("ALTRT_TEST_DEVICE");
      if (wanted && std::string(wanted) == "cuda") FAIL() << error.what();
      GTEST_SKIP() << error.what();
    }
  }

  static Tensors on_cpu(const Model& model, const Tensors& inputs) {
    SessionOptions options;
    options.cache.directory = "none";
    return Session(model, options).run(views(inputs));
  }

  SessionOptions options_;
};

TEST_F(RealDevice, RunsInTheHostsStream) {
  const Driver driver;
  const Session session(conv_net(), options_);
  const Tensors inputs = make_inputs(session.inputs(), 6);
  const Tensors wanted = on_cpu(conv_net(), inputs);
  const auto device_view = [&](const Tensor& tensor, std::shared_ptr<void>& memory) {
    memory = session.allocate(tensor.bytes());
    return TensorView(memory.get(), tensor.type(), tensor.shape(), Device::cuda);
  };
  std::shared_ptr<void> memory[2];
  const TensorView x = device_view(inputs.at("x"), memory[0]);
  Tensor out(DataType::f32, wanted.at("y").shape());
  const TensorView y = device_view(out, memory[1]);
  session.copy(inputs.at("x").view(), x);
  Context context = session.context();
  context.bind("x", x);
  context.bind("y", y);
  void* const streams[2] = {driver.create(), driver.create()};
  for (int run = 0; run < 20; ++run) {
    session.copy(out.view(), y);  // nothing is left of the last run
    context.set_stream(streams[run % 2]);
    session.run(context);
    driver.synchronize(streams[run % 2]);
    Tensor got(DataType::f32, out.shape());
    session.copy(y, got.view());
    Tensors answer;
    answer.emplace("y", std::move(got));
    expect_close(answer, wanted);
  }
  context.set_stream(nullptr);
  for (void* stream : streams) driver.destroy(stream);
}

TEST_F(RealDevice, OperatorsOnTheHostStandInTheMiddle) {
  GraphBuilder b("mixed");
  b.input("x", DataType::f32, {2, 16, 20, 20});
  const auto w = b.constant("w", random_tensor({32, 16, 3, 3}, 1, 0.1f));
  const auto c = b.op("Relu", {b.op("Conv", {"x", w})});
  const auto s = b.op("CumSum", {c, b.constant("axis", integers({3}))});
  b.output(b.op("Softmax", {b.op("Mul", {s, b.constant("m", random_tensor({32, 1, 1}, 2, 0.1f))})}, {}, "y"));
  const Model model = b.build();
  const Session session(model, options_);
  Context context = session.context();
  const Tensors inputs = make_inputs(session.inputs(), 3);
  const Tensors wanted = on_cpu(model, inputs);
  for (int run = 0; run < 10; ++run) expect_close(session.run(views(inputs)), wanted);
}

TEST_F(RealDevice, TunesAndStartsFromTheCache) {
  const std::string folder = std::filesystem::temp_directory_path() / "altrt_real_device_test";
  std::filesystem::remove_all(folder);
  options_.cache.directory = folder;
  options_.tuning.mode = TuningMode::load;
  options_.tuning.budget = std::chrono::seconds(8);
  options_.log = [](LogLevel, const std::string& line) { std::printf("%s\n", line.c_str()); };
  for (const Model& model : {conv_net(4), attention_net()}) {
    const Session tuned(model, options_);
    EXPECT_GT(tuned.info().trials, 0);
    const Tensors inputs = make_inputs(tuned.inputs(), 9);
    const Tensors wanted = on_cpu(model, inputs);
    expect_close(tuned.run(views(inputs)), wanted);
    const Session again(model, options_);
    EXPECT_TRUE(again.info().from_bundle);
    EXPECT_EQ(again.info().trials, 0);
    expect_close(again.run(views(inputs)), wanted);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace altrt
