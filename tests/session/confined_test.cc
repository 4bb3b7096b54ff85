// A guest that is given little: one processor, or memory that may never be both written and executed.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <iterator>
#include <thread>

#include "tests/records/folder.h"
#include "tests/session/models.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

namespace altrt {
namespace {

SessionOptions options_in(const std::string& folder, int threads) {
  SessionOptions options;
  options.cache.directory = folder;
  options.threads = threads;
  return options;
}

Tensors answer(const Model& model, const SessionOptions& options) {
  const Session session(model, options);
  return session.run(views(make_inputs(session.inputs(), 7)));
}

void expect_same(const Tensors& got, const Tensors& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (const auto& [name, tensor] : wanted) EXPECT_TRUE(same_bits(got.at(name), tensor)) << name;
}

int64_t tasks() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
}

// As under `taskset -c N`: the mask of the thread that makes the session.
TEST(Confined, OneProcessorMeansOneThread) {
  for (const Model& model : {conv_net(), attention_net()}) {
    const Tensors wanted = answer(model, options_in("none", 2));
    std::thread([&] {
      cpu_set_t allowed, one;
      ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
      CPU_ZERO(&one);
      for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
        if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &one);
      }
      ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
      const int64_t before = tasks();
      const Session session(model, options_in("none", 0));
      EXPECT_EQ(session.info().threads, 1);
      expect_same(session.run(views(make_inputs(session.inputs(), 7))), wanted);
      EXPECT_EQ(tasks(), before) << "a team of one starts no thread";
    }).join();
  }
}

// What `body` returns, worked out in a child where written memory never becomes executable, for good. Nothing where the
// child fails; "-" where this Linux has no such mode.
std::string under_strict_mdwe(const std::function<std::string()>& body) {
  constexpr int kRefuseExecGain = 1;
  int ends[2];
  if (pipe(ends) != 0) return "";
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    std::string result = "-";
    if (prctl(PR_SET_MDWE, kRefuseExecGain, 0, 0, 0) == 0) result = body();
    const bool written = write(ends[1], result.data(), result.size()) == static_cast<ssize_t>(result.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string result;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) result.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? result : "";
}

bool has_mdwe() {
  return under_strict_mdwe([] { return std::string("+"); }) == "+";
}

std::string bytes_of(const Tensor& tensor) { return {static_cast<const char*>(tensor.data()), tensor.bytes()}; }

TEST(Confined, StrictMemoryGivesTheSameAnswers) {
  if (!has_mdwe()) GTEST_SKIP() << "this Linux has no PR_SET_MDWE";
  for (const Model& model : {conv_net(), attention_net()}) {
    const std::string confined =
        under_strict_mdwe([&] { return bytes_of(answer(model, options_in("none", 2)).at("y")); });
    EXPECT_EQ(confined, bytes_of(answer(model, options_in("none", 2)).at("y"))) << model.name();
  }
}

TEST(Confined, StrictMemoryLoadsCodeFromTheCache) {
  if (!has_mdwe()) GTEST_SKIP() << "this Linux has no PR_SET_MDWE";
  const TestFolder folder;
  const Model model = conv_net();
  const Tensors wanted = answer(model, options_in(folder.path(), 2));
  const std::string confined = under_strict_mdwe([&] {
    const Session session(model, options_in(folder.path(), 2));
    if (!session.info().from_bundle) return std::string();
    return bytes_of(session.run(views(make_inputs(session.inputs(), 7))).at("y"));
  });
  EXPECT_EQ(confined, bytes_of(wanted.at("y")));
}

// With every provider: one that cannot make its code here must only drop out.
TEST(Confined, StrictMemoryCanBeTunedIn) {
  if (!has_mdwe()) GTEST_SKIP() << "this Linux has no PR_SET_MDWE";
  const Model model = conv_net();
  SessionOptions tuned = options_in("none", 2);
  tuned.tuning.mode = TuningMode::load;
  tuned.tuning.max_trials = 20;
  if (Session(model, tuned).info().trials == 0) GTEST_SKIP() << "built without the tuner";
  const std::string confined = under_strict_mdwe([&] {
    const Session session(model, tuned);
    if (session.info().trials == 0) return std::string();
    return bytes_of(session.run(views(make_inputs(session.inputs(), 7))).at("y"));
  });
  Tensor got(DataType::f32, {1, 10});
  ASSERT_EQ(confined.size(), got.bytes());
  std::memcpy(got.data(), confined.data(), confined.size());
  Tensors outputs;
  outputs.emplace("y", std::move(got));
  expect_close(outputs, answer(model, options_in("none", 2)), 1e-4);
}

}  // namespace
}  // namespace altrt
