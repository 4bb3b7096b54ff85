// The command-line tool as a user meets it: what it prints, writes and returns.
#include <altrt/altrt.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "npy.h"

namespace altrt {
namespace {

struct Outcome {
  int exit_code = -1;
  std::string out, err;
};

class Tool : public ::testing::Test {
 protected:
  Tool() {
    std::string pattern = ::testing::TempDir() + "altrt_cli_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    GraphBuilder b("net");
    b.input("x", DataType::f32, {-1, 6}, {"batch", ""});
    b.input("n", DataType::i64, {6});
    Tensor w(DataType::f32, {6, 4});
    for (int i = 0; i < 24; ++i) w.as<float>()[i] = static_cast<float>(i % 7) - 3;
    const auto shifted = b.op("Add", {"x", b.op("Cast", {"n"}, {{"to", int64_t{1}}})});
    b.output(b.op("Relu", {b.op("MatMul", {shifted, b.constant("w", std::move(w))})}, {}, "out/y"));
    b.build().save(path("net.onnx"));
  }
  ~Tool() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  Outcome altrt(const std::string& arguments) const {
    const std::string command =
        std::string("cd ") + folder_ + " && " ALTRT_TOOL " " + arguments + " > out.txt 2> err.txt";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text("out.txt"), text("err.txt")};
  }
  std::string text(const std::string& name) const {
    std::ostringstream contents;
    contents << std::ifstream(path(name)).rdbuf();
    return contents.str();
  }
  void expect_usage(const std::string& arguments, const std::string& word) const {
    const Outcome outcome = altrt(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments << "\n" << outcome.err;
    EXPECT_NE(outcome.err.find(word), std::string::npos) << arguments << "\n" << outcome.err;
  }
  void expect_at_fault(const std::string& arguments, const std::string& word) const {
    const Outcome outcome = altrt(arguments);
    EXPECT_EQ(outcome.exit_code, 1) << arguments << "\n" << outcome.err;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_NE(outcome.err.find(word), std::string::npos) << arguments << "\n" << outcome.err;
  }

  std::string folder_;
};

TEST_F(Tool, HelpAndVersion) {
  EXPECT_EQ(altrt("--help").exit_code, 0);
  const Outcome version = altrt("--version");
  EXPECT_EQ(version.exit_code, 0);
  for (const char* word : {altrt::version().c_str(), "LLVM", "commit"}) {
    EXPECT_NE(version.out.find(word), std::string::npos) << version.out;
  }
}

TEST_F(Tool, UsageErrorsAreTwo) {
  expect_usage("", "subcommand");
  expect_usage("dance", "dance");
  expect_usage("run", "model");
  expect_usage("run net.onnx --colour", "--colour");
  expect_usage("run net.onnx --threads -1", "--threads");
  expect_usage("run net.onnx --device tpu", "tpu");
  expect_usage("run net.onnx --providers own,cudnn", "cudnn");
  expect_usage("run net.onnx --shape batch", "NAME=VALUE");
  expect_usage("run net.onnx --shape x=1xy", "1xy");
  expect_usage("run net.onnx --shape batch=2x2", "2x2");
  expect_usage("run net.onnx --budget 5m", "5m");
  expect_usage("inspect net.onnx --stage soul", "soul");
  expect_usage("run net.onnx --arch sm_90", "--arch");
  expect_usage("compare net.onnx", "--reference");
}

TEST_F(Tool, ModelsAndInputsAtFaultAreOne) {
  expect_at_fault("run nothing.onnx", "nothing.onnx");
  std::ofstream(path("junk.onnx")) << "this is no model";
  expect_at_fault("run junk.onnx", "junk.onnx");
  expect_at_fault("run net.onnx", "batch");
  if (!dlopen("libcuda.so.1", RTLD_LAZY)) {
    expect_at_fault("run net.onnx --shape batch=1 --device cuda", "libcuda.so.1");
    expect_at_fault("inspect net.onnx --shape batch=1 --device cuda --stage nests", "libcuda.so.1");
  }
  expect_at_fault("inspect net.onnx --shape batch=1 --arch z80 --stage nests", "z80");
  expect_at_fault("inspect net.onnx --shape batch=1 --arch sm_90 --stage nests", "sm_90");
  expect_at_fault("inspect net.onnx --shape batch=1 --device cuda --arch sm_90 --stage llvm", "cuda");
  expect_at_fault("inspect net.onnx --shape batch=1 --stage cuda", "llvm, asm");
  expect_at_fault("run net.onnx --shape batch=1 --algorithm fast", "fast");
  expect_at_fault("run net.onnx --input z=a.npy", "a.npy");
  const Tensor wrong(DataType::f32, {2, 5});
  npy::write(path("wrong.npy"), wrong.view());
  expect_at_fault("run net.onnx --input z=wrong.npy", "'z'");
  expect_at_fault("run net.onnx --input x=wrong.npy", "x");
}

TEST_F(Tool, RunTakesShapesFromInputsAndWritesOutputs) {
  Tensor x(DataType::f32, {3, 6});
  for (int i = 0; i < 18; ++i) x.as<float>()[i] = static_cast<float>(i);
  npy::write(path("x.npy"), x.view());
  const Outcome outcome = altrt("run net.onnx --input x=x.npy --output-dir results --seed 4");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, "out/y: f32 3x4 -> results/out_y.npy\n");
  EXPECT_EQ(npy::read(path("results/out_y.npy")).shape(), (Shape{3, 4}));
}

TEST_F(Tool, SeedsDecideTheInputs) {
  const auto run = [&](const std::string& seed) {
    EXPECT_EQ(altrt("run net.onnx --shape x=5x6 --seed " + seed).exit_code, 0);
    return text("out_y.npy");
  };
  const std::string first = run("1");
  EXPECT_EQ(run("1"), first);
  EXPECT_NE(run("2"), first);
}

TEST_F(Tool, CompareJudges) {
  EXPECT_EQ(altrt("compare net.onnx --against evaluator --shape batch=7").exit_code, 0);
  Tensor x(DataType::f32, {2, 6}), n(DataType::i64, {6});
  for (int i = 0; i < 12; ++i) x.as<float>()[i] = static_cast<float>(i);
  const Model model = Model::load(path("net.onnx"));
  auto outputs = evaluate_reference(model, {{"x", x.view()}, {"n", n.view()}});
  Tensor& y = outputs.at("out/y");
  npy::write_npz(path("in.npz"), {{"x", x.view()}, {"n", n.view()}});
  npy::write_npz(path("out.npz"), {{"out/y", y.view()}});
  npy::write_npz(path("both.npz"), {{"x", x.view()}, {"n", n.view()}, {"out/y", y.view()}});
  const Outcome pass = altrt("compare net.onnx --inputs in.npz --reference out.npz");
  EXPECT_EQ(pass.exit_code, 0) << pass.err;
  EXPECT_EQ(pass.out.rfind("PASS out/y: relative L2 ", 0), 0u) << pass.out;
  EXPECT_NE(pass.out.find("top-1 2/2"), std::string::npos) << pass.out;
  EXPECT_EQ(altrt("compare net.onnx --reference both.npz").exit_code, 0);
  y.as<float>()[3] += 1;
  npy::write_npz(path("out.npz"), {{"out/y", y.view()}});
  const Outcome fail = altrt("compare net.onnx --inputs in.npz --reference out.npz");
  EXPECT_EQ(fail.exit_code, 1);
  EXPECT_EQ(fail.out.rfind("FAIL out/y", 0), 0u) << fail.out;
  EXPECT_EQ(altrt("compare net.onnx --inputs in.npz --reference out.npz --tolerance 1").exit_code, 0);
  expect_at_fault("compare net.onnx --inputs in.npz --reference in.npz", "no output");
}

TEST_F(Tool, OpsCountsAndJudges) {
  const Outcome fine = altrt("ops net.onnx");
  EXPECT_EQ(fine.exit_code, 0);
  EXPECT_NE(fine.out.find("MatMul"), std::string::npos);
  GraphBuilder b("strange");
  b.input("x", DataType::f32, {2});
  b.output(b.op("Blink", {b.op("Blink", {"x"})}));
  b.build().save(path("strange.onnx"));
  const Outcome strange = altrt("ops strange.onnx");
  EXPECT_EQ(strange.exit_code, 1);
  EXPECT_NE(strange.out.find("Blink      2  NOT SUPPORTED"), std::string::npos) << strange.out;
  expect_at_fault("run strange.onnx", "Blink");
}

TEST_F(Tool, BenchMeasures) {
  const Outcome text_form = altrt("bench net.onnx --shape batch=2 --seconds 0.05 --profile --threads 1");
  ASSERT_EQ(text_form.exit_code, 0) << text_form.err;
  for (const char* word : {"median", "runs/s", "FMA peak", "GB/s from memory", "band%", "roof", "own", "MatMul"}) {
    EXPECT_NE(text_form.out.find(word), std::string::npos) << word << "\n" << text_form.out;
  }
  ASSERT_EQ(altrt("bench net.onnx --shape batch=2 --seconds 0.05 --threads 1 --json bench.json").exit_code, 0);
  const auto json = nlohmann::json::parse(text("bench.json"));
  for (const char* key :
       {"model", "device", "threads", "load_ms", "first_run_ms", "cold_start_ms", "kernels_compiled", "tuning", "cache",
        "latency_ms", "throughput_per_s", "peak_rss_mb", "resident_mb", "provider_share", "kernels"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  for (const char* key : {"min", "median", "mean", "p90", "p95", "p99", "cv"}) {
    EXPECT_TRUE(json["latency_ms"].contains(key)) << key;
  }
  for (const char* key : {"name", "op", "ms", "gflops", "provider", "algorithm", "layout"}) {
    EXPECT_TRUE(json["kernels"].at(0).contains(key)) << key;
  }
  EXPECT_EQ(json["threads"], 1);
  EXPECT_GT(json["resident_mb"], 0);
  EXPECT_LE(json["resident_mb"], json["peak_rss_mb"].get<double>() * 1.01);
  EXPECT_LE(json["latency_ms"]["min"], json["latency_ms"]["median"]);
  const Outcome on_stdout = altrt("bench net.onnx --shape batch=2 --seconds 0.05 --json -");
  EXPECT_EQ(nlohmann::json::parse(on_stdout.out)["device"], "cpu");
}

TEST_F(Tool, BenchSaysWhichRoofIsNearer) {
  // As many multiplications a byte as a product of these sizes has, and one that is all weights.
  GraphBuilder b("roofs");
  b.input("x", DataType::f32, {256, 512});
  b.input("row", DataType::f32, {1, 4096});
  const auto ones = [](const Shape& shape) {
    Tensor tensor(DataType::f32, shape);
    std::fill_n(tensor.as<float>(), element_count(shape), 1.0f);
    return tensor;
  };
  b.output(b.op("MatMul", {"x", b.constant("w", ones({512, 512}))}, {}, "dense"));
  b.output(b.op("MatMul", {"row", b.constant("v", ones({4096, 512}))}, {}, "thin"));
  b.build().save(path("roofs.onnx"));
  const Outcome outcome = altrt("bench roofs.onnx --seconds 0.05 --profile --threads 1 --cache none --json -");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_GT(json["read_gbs"]["memory"], 0);
  EXPECT_GT(json["read_gbs"]["cache"], 0);
  int dense = 0, thin = 0;
  for (const auto& kernel : json["kernels"]) {
    if (kernel["op"] != "MatMul") continue;
    const bool is_dense = kernel["fma_fraction"] > kernel["bandwidth_fraction"];
    EXPECT_EQ(kernel["roof"] == "fma", is_dense) << kernel;
    EXPECT_GT(kernel["gbs"], 0);
    (is_dense ? dense : thin) += 1;
  }
  EXPECT_EQ(dense, 1) << json;
  EXPECT_EQ(thin, 1) << json;
}

TEST_F(Tool, InspectPrintsEveryStage) {
  for (const char* stage : {"graph", "groups", "layouts", "nests", "llvm", "asm", "plan"}) {
    const Outcome outcome = altrt(std::string("inspect net.onnx --shape batch=2 --stage ") + stage);
    EXPECT_EQ(outcome.exit_code, 0) << stage << outcome.err;
    EXPECT_GT(outcome.out.size(), 40u) << stage;
  }
}

TEST_F(Tool, InspectShowsOtherMachines) {
  const Outcome avx512 = altrt("inspect net.onnx --shape batch=2 --arch avx512 --stage asm");
  EXPECT_EQ(avx512.exit_code, 0) << avx512.err;
  EXPECT_NE(avx512.out.find("%zmm"), std::string::npos);
  EXPECT_EQ(altrt("inspect net.onnx --shape batch=2 --arch avx2 --stage asm").out.find("%zmm"), std::string::npos);
  const Outcome gpu = altrt("inspect net.onnx --shape batch=2 --device cuda --arch sm_90 --stage cuda");
  EXPECT_EQ(gpu.exit_code, 0) << gpu.err;
  EXPECT_NE(gpu.out.find("__global__"), std::string::npos);
}

TEST_F(Tool, AutoRunsAnywhereAndTheFiguresSayWhere) {
  const Outcome outcome = altrt("bench net.onnx --shape batch=2 --device auto --seconds 0.05 --json -");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const bool has_cuda = dlopen("libcuda.so.1", RTLD_LAZY) != nullptr;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["device"], has_cuda ? "cuda" : "cpu");
}

TEST_F(Tool, TheLogGoesToStderrWhenAskedFor) {
  const Outcome outcome = altrt("run net.onnx --shape batch=1 --verbose");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_NE(outcome.err.find("altrt info: "), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace altrt
