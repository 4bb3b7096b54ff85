// Sessions on a device: graphs and what parts them, copies, the caller's own memory and streams, errors, the cache.
#include <altrt/cache.h>

#include <functional>

#include "jit/compile/devices.h"
#include "tests/plan/fake_device.h"
#include "tests/records/folder.h"
#include "tests/session/models.h"

namespace altrt {
namespace {

using Calls = std::vector<std::string>;

// Two host operators in a row, something before, between and behind them on the device.
Model host_net() {
  GraphBuilder b("host_net");
  b.input("x", DataType::f32, {3, 8});
  const auto square = b.op("Mul", {"x", "x"});
  const auto top = b.op_n("TopK", {square, b.constant("four", integers({4}))}, 2);
  const auto best = b.op_n("TopK", {top[0], b.constant("two", integers({2}))}, 2);
  b.output(b.op("Relu", {best[0]}, {}, "y"));
  b.output(b.op("Identity", {best[1]}, {}, "indices"));
  return b.build();
}

class OnDevice : public ::testing::Test {
 protected:
  OnDevice() {
    jit::add_device("cuda", [this](int number) {
      number_ = number;
      return device_;
    });
    options_.device = Device::cuda;
    options_.threads = 2;
    options_.cache.directory = "none";
    options_.log = [this](LogLevel level, const std::string& line) { log_.emplace_back(level, line); };
  }
  int count_log(LogLevel level, const std::string& word) const {
    int count = 0;
    for (const auto& [of, line] : log_) count += of == level && line.find(word) != std::string::npos;
    return count;
  }
  int count_calls(const std::string& begin) const {
    int count = 0;
    for (const std::string& call : device_->calls) count += call.rfind(begin, 0) == 0;
    return count;
  }
  // A tensor's copy in the device's memory.
  TensorView on_device(const Tensor& tensor) {
    memory_.push_back(device_->allocate(tensor.bytes()));
    std::memcpy(memory_.back().get(), tensor.data(), tensor.bytes());
    return {memory_.back().get(), tensor.type(), tensor.shape(), Device::cuda};
  }
  static void expect_error(ErrorCode code, const std::vector<std::string>& words, const std::function<void()>& call) {
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
  static bool equal(const TensorView& got, const Tensor& wanted) {
    return std::memcmp(got.data, wanted.data(), wanted.bytes()) == 0;
  }

  std::shared_ptr<FakeDevice> device_ = std::make_shared<FakeDevice>();
  int number_ = -2;
  SessionOptions options_;
  std::vector<std::pair<LogLevel, std::string>> log_;
  std::vector<std::shared_ptr<void>> memory_;
};

TEST_F(OnDevice, AgreesWithTheReferenceEvaluator) {
  for (const Model& model : {conv_net(), conv_net(3), attention_net(), alias_net(), host_net()}) {
    SCOPED_TRACE(model.name());
    const Session session(model, options_);
    EXPECT_EQ(session.info().device, Device::cuda);
    EXPECT_EQ(session.info().device_name, "fake device");
    const Tensors inputs = make_inputs(session.inputs(), 5);
    const Tensors wanted = evaluate_reference(model, views(inputs));
    for (int i = 0; i < 2; ++i) expect_close(session.run(views(inputs)), wanted);
    Context context = session.context();
    for (const auto& [name, view] : views(inputs)) context.bind(name, view);
    EXPECT_EQ(session.profile(context).size(), session.info().plan.size());
    EXPECT_NE(session.inspect("plan").find("fake device"), std::string::npos);
    for (const KernelInfo& kernel : session.info().plan) EXPECT_NE(kernel.provider, "onednn");
  }
}

TEST_F(OnDevice, OneGraphHoldsAllKernels) {
  const Session session(conv_net(), options_);
  const Tensors inputs = make_inputs(session.inputs(), 1);
  Context context = session.context();
  context.bind("x", inputs.at("x").view());
  device_->take_calls();
  session.run(context);
  const std::string launches = std::to_string(session.info().plan.size());
  EXPECT_EQ(device_->take_calls(), (Calls{"allocate 3584", "allocate 128", "make_graph " + launches, "upload 3468",
                                          "run_graph " + launches, "download 40", "wait"}));
  session.run(context);
  EXPECT_EQ(device_->take_calls(), (Calls{"upload 3468", "run_graph " + launches, "download 40", "wait"}));
}

TEST_F(OnDevice, HostOperatorsPartTheGraph) {
  const Session session(host_net(), options_);
  const Tensors inputs = make_inputs(session.inputs(), 2);
  Context context = session.context();
  context.bind("x", inputs.at("x").view());
  session.run(context);
  device_->take_calls();
  session.run(context);
  // The squares go to the host; nothing is copied between the two host operators, and the indices never were on the
  // device.
  EXPECT_EQ(device_->take_calls(), (Calls{"upload 96", "run_graph 1", "download 192", "wait", "upload 128",
                                          "run_graph 1", "download 24", "wait"}));
}

TEST_F(OnDevice, HostOperatorsReadAndWriteTheDevicesMemory) {
  const Session session(host_net(), options_);
  const Tensors inputs = make_inputs(session.inputs(), 3);
  const Tensors wanted = session.run(views(inputs));
  Context context = session.context();
  context.bind("x", on_device(inputs.at("x")));
  const TensorView y = on_device(Tensor(DataType::f32, {3, 2})), indices = on_device(Tensor(DataType::i64, {3, 2}));
  context.bind("y", y);
  context.bind("indices", indices);
  session.run(context);
  EXPECT_TRUE(equal(y, wanted.at("y")));
  EXPECT_TRUE(equal(indices, wanted.at("indices")));
}

TEST_F(OnDevice, TheCallersDeviceMemoryIsUsedAsItIs) {
  const Session session(conv_net(), options_);
  const Tensors inputs = make_inputs(session.inputs(), 4);
  const Tensors wanted = session.run(views(inputs));
  Context context = session.context();
  context.bind("x", on_device(inputs.at("x")));
  const TensorView y = on_device(Tensor(DataType::f32, {1, 10}));
  context.bind("y", y);
  EXPECT_EQ(context.output("y").data, y.data);
  session.run(context);
  device_->take_calls();
  session.run(context);
  EXPECT_EQ(device_->take_calls(), (Calls{"run_graph " + std::to_string(session.info().plan.size()), "wait"}));
  EXPECT_TRUE(equal(y, wanted.at("y")));
}

TEST_F(OnDevice, OtherBindingsChangeOnlyTheLaunchesConcerned) {
  const Session session(conv_net(), options_);
  const Tensors inputs = make_inputs(session.inputs(), 4), others = make_inputs(session.inputs(), 5);
  const Tensors wanted = session.run(views(others));
  Context context = session.context();
  context.bind("x", on_device(inputs.at("x")));
  const TensorView y = on_device(Tensor(DataType::f32, {1, 10}));
  context.bind("y", y);
  session.run(context);
  const TensorView x = on_device(others.at("x"));
  device_->take_calls();
  context.bind("x", x);
  session.run(context);
  EXPECT_EQ(count_calls("make_graph"), 0);
  EXPECT_EQ(count_calls("set_arguments"), 1) << "one launch reads x";
  EXPECT_EQ(count_calls("set_arguments 0"), 1);
  EXPECT_TRUE(equal(y, wanted.at("y")));
  // From the device's memory to the host's and back.
  Tensor out(DataType::f32, {1, 10});
  context.bind("y", out.view());
  context.bind("x", others.at("x").view());
  session.run(context);
  EXPECT_TRUE(same_bits(out, wanted.at("y")));
  context.bind("x", x);
  context.bind("y", y);
  std::memset(y.data, 0, 40);
  session.run(context);
  EXPECT_TRUE(equal(y, wanted.at("y")));
  EXPECT_EQ(count_calls("make_graph"), 0);
}

TEST_F(OnDevice, RunsInTheCallersStreamAndLeavesTheWaitingToHim) {
  const Session session(conv_net(), options_);
  const Tensors inputs = make_inputs(session.inputs(), 6);
  const Tensors wanted = session.run(views(inputs));
  Context context = session.context();
  context.bind("x", on_device(inputs.at("x")));
  const TensorView y = on_device(Tensor(DataType::f32, {1, 10}));
  context.bind("y", y);
  int streams[2] = {};
  context.set_stream(&streams[0]);
  device_->take_calls();
  session.run(context);
  EXPECT_EQ(count_calls("caller's run_graph"), 1);
  EXPECT_EQ(count_calls("caller's wait") + count_calls("wait"), 0);
  EXPECT_FALSE(equal(y, wanted.at("y"))) << "nobody has waited";
  device_->synchronize(&streams[0]);
  EXPECT_TRUE(equal(y, wanted.at("y")));
  // Another stream: what the first one has to do is done.
  std::memset(y.data, 0, 40);
  session.run(context);
  context.set_stream(&streams[1]);
  EXPECT_TRUE(equal(y, wanted.at("y")));
  // An output in the host's memory: run() waits.
  Tensor out(DataType::f32, {1, 10});
  context.bind("y", out.view());
  session.run(context);
  EXPECT_TRUE(same_bits(out, wanted.at("y")));
}

TEST_F(OnDevice, MemoryAndStreamsAreChecked) {
  const auto bad = ErrorCode::invalid_argument;
  const Session session(conv_net(), options_), on_cpu(conv_net(), {});
  Context context = session.context(), cpu_context = on_cpu.context();
  const Tensors inputs = make_inputs(session.inputs(), 1);
  TensorView x = on_device(inputs.at("x"));
  expect_error(bad, {"input 'x' of conv_net", "cuda", "CPU"}, [&] { cpu_context.bind("x", x); });
  expect_error(bad, {"CPU"}, [&] { cpu_context.set_stream(nullptr); });
  x.data = static_cast<char*>(x.data) + 4;
  expect_error(bad, {"'x'", "aligned", "16"}, [&] { context.bind("x", x); });
  x.device = Device::automatic;
  expect_error(bad, {"'x'", "automatic"}, [&] { context.bind("x", x); });
  expect_error(bad, {"cuda"}, [&] { evaluate_reference(conv_net(), {{"x", on_device(inputs.at("x"))}}); });
}

TEST_F(OnDevice, ConstantsAreUploadedOnceForAllSessionsOfAModel) {
  const Model model = conv_net();
  SessionOptions cpu;
  cpu.cache.directory = "none";
  const Session on_cpu(model, cpu);
  const auto first = std::make_unique<Session>(model, options_);
  EXPECT_GT(count_calls("upload"), 6);
  device_->take_calls();
  const Session second(model, options_);
  EXPECT_EQ(count_calls("upload") + count_calls("allocate"), 0);
  const Tensors inputs = make_inputs(model.inputs(), 7);
  EXPECT_TRUE(same_bits(second.run(views(inputs)).at("y"), first->run(views(inputs)).at("y")));
  expect_close(on_cpu.run(views(inputs)), evaluate_reference(model, views(inputs)));
}

TEST_F(OnDevice, ErrorsOfTheDeviceLeaveTheContextUsable) {
  const Session session(host_net(), options_);
  const Tensors inputs = make_inputs(session.inputs(), 8);
  const Tensors wanted = session.run(views(inputs));
  Context context = session.context();
  context.bind("x", inputs.at("x").view());
  device_->memory_left = 100;
  expect_error(ErrorCode::out_of_memory, {"bytes"}, [&] { session.context(); });
  expect_error(ErrorCode::out_of_memory, {"bytes"}, [&] { session.run(context); });
  device_->memory_left = SIZE_MAX;
  for (const char* failing : {"make_graph", "upload", "run_graph", "download", "wait"}) {
    SCOPED_TRACE(failing);
    device_->failing = failing;
    expect_error(ErrorCode::internal, {failing}, [&] { session.run(context); });
    device_->failing = "";
    session.run(context);
    EXPECT_TRUE(equal(context.output("y"), wanted.at("y")));
    EXPECT_TRUE(equal(context.output("indices"), wanted.at("indices")));
  }
  for (const char* failing : {"launch", "wait"}) {
    device_->failing = failing;
    expect_error(ErrorCode::internal, {failing}, [&] { session.profile(context); });
    device_->failing = "";
  }
  session.run(context);
  Tensor y(DataType::f32, {3, 2});
  const TensorView x = on_device(inputs.at("x"));
  context.bind("y", y.view());
  context.bind("x", x);
  device_->failing = "set_arguments";
  expect_error(ErrorCode::internal, {"set_arguments"}, [&] { session.run(context); });
  device_->failing = "";
  session.run(context);
  EXPECT_TRUE(same_bits(y, wanted.at("y")));
}

TEST_F(OnDevice, EmptyTensorsRun) {
  const Session session(one_op("Relu", {0, 4}), options_);
  EXPECT_EQ(session.run({{"x", TensorView(static_cast<float*>(nullptr), {0, 4})}}).at("y").shape(), (Shape{0, 4}));
}

TEST_F(OnDevice, DevicesAreChosenByNumber) {
  Session(conv_net(), options_);
  EXPECT_EQ(number_, 0);
  setenv("ALTRT_CUDA_DEVICE", "2", 1);
  Session(conv_net(), options_);
  EXPECT_EQ(number_, 2);
  options_.device_number = 3;
  Session(conv_net(), options_);
  unsetenv("ALTRT_CUDA_DEVICE");
  EXPECT_EQ(number_, 3);
  options_.device_number = -7;
  expect_error(ErrorCode::invalid_argument, {"device_number", "-7"}, [&] { Session(conv_net(), options_); });
  expect_error(ErrorCode::invalid_argument, {"'npu'", "cuda"}, [] { jit::open_device("npu"); });
}

TEST_F(OnDevice, AutomaticTakesTheDeviceElseTheCpuAndSaysWhy) {
  options_.device = Device::automatic;
  EXPECT_EQ(Session(conv_net(), options_).info().device, Device::cuda);
  jit::add_device("cuda", [](int) -> std::shared_ptr<jit::Device> {
    throw Error(ErrorCode::unavailable, "cannot open libcuda.so.1");
  });
  log_.clear();
  const Session session(conv_net(), options_);
  EXPECT_EQ(session.info().device, Device::cpu);
  EXPECT_EQ(session.info().device_name, "");
  EXPECT_EQ(count_log(LogLevel::info, "libcuda.so.1"), 1);
  options_.device = Device::cuda;
  expect_error(ErrorCode::unavailable, {"libcuda.so.1"}, [&] { Session(conv_net(), options_); });
}

TEST_F(OnDevice, ASecondStartCompilesNothing) {
  const TestFolder folder;
  options_.cache.directory = folder.path();
  for (const Model& model : {conv_net(), attention_net(), host_net()}) {
    SCOPED_TRACE(model.name());
    const Session first(model, options_);
    EXPECT_FALSE(first.info().from_bundle);
    EXPECT_GT(first.info().kernels_compiled, 0);
    options_.threads = 1;  // what runs on the device does not depend on them
    const Session second(model, options_);
    options_.threads = 2;
    EXPECT_TRUE(second.info().from_bundle);
    EXPECT_EQ(second.info().kernels_compiled, 0) << "conversions too";
    const Tensors inputs = make_inputs(first.inputs(), 9);
    const Tensors wanted = first.run(views(inputs)), got = second.run(views(inputs));
    for (const auto& [name, tensor] : wanted) EXPECT_TRUE(same_bits(got.at(name), tensor)) << name;
    SessionOptions cpu = options_;
    cpu.device = Device::cpu;
    EXPECT_FALSE(Session(model, cpu).info().from_bundle) << "another machine's";
  }
  for (const CacheEntry& entry : Cache(folder.path()).list()) {
    EXPECT_TRUE(entry.threads == 0 || entry.threads == 2) << entry.threads;
  }
  EXPECT_EQ(count_log(LogLevel::warning, ""), 0);
}

TEST(Inspect, PrintsStagesForOtherMachines) {
  const Model model = conv_net();
  SessionOptions options;
  options.arch = "avx2";
  for (const char* stage : {"graph", "groups", "layouts", "nests", "llvm", "asm"}) {
    EXPECT_GT(inspect(model, options, stage).size(), 50u) << stage;
  }
  options.arch = "";
  EXPECT_EQ(inspect(model, options, "llvm"), Session(model).inspect("llvm"));
  options.device = Device::cuda;
  options.arch = "sm_90";
  for (const char* stage : {"graph", "groups", "layouts", "nests", "cuda"}) {
    EXPECT_GT(inspect(model, options, stage).size(), 50u) << stage;
  }
  EXPECT_NE(inspect(model, options, "cuda").find("__global__"), std::string::npos);
}

TEST(Inspect, ErrorsNameStagesAndArchitectures) {
  const Model model = conv_net();
  const auto message = [&](Device device, const std::string& arch, const std::string& stage) {
    SessionOptions options;
    options.device = device;
    options.arch = arch;
    try {
      inspect(model, options, stage);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(message(Device::cpu, "avx2", "cuda").find("nests, llvm, asm"), std::string::npos);
  EXPECT_NE(message(Device::cuda, "sm_90", "llvm").find("nests, cuda"), std::string::npos);
  EXPECT_NE(message(Device::automatic, "sm_90", "plan").find("nests, cuda"), std::string::npos);
  EXPECT_NE(message(Device::cpu, "sm_90", "nests").find("'sm_90'"), std::string::npos);
  EXPECT_NE(message(Device::cuda, "avx2", "nests").find("'avx2'"), std::string::npos);
  EXPECT_NE(message(Device::cpu, "z80", "nests").find("z80"), std::string::npos);
  SessionOptions options;
  options.arch = "avx2";
  EXPECT_THROW(Session(model, options), Error);
}

}  // namespace
}  // namespace altrt
