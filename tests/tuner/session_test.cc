// Tuned sessions: the same answers as untuned ones, within limits.
#include <altrt/altrt.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../session/models.h"

namespace altrt {
namespace {

double difference(const Tensor& a, const Tensor& b) {
  double error = 0, size = 0;
  for (int64_t i = 0; i < element_count(a.shape()); ++i) {
    error += std::pow(a.as<float>()[i] - b.as<float>()[i], 2);
    size += std::pow(b.as<float>()[i], 2);
  }
  return std::sqrt(error / size);
}

SessionOptions tuned_options(int64_t trials) {
  SessionOptions options;
  options.cache.directory = "none";
  options.tuning.mode = TuningMode::load;
  options.tuning.max_trials = trials;
  return options;
}

TEST(TunedSession, AnswersAgree) {
  const Model model = conv_net();
  SessionOptions plain;
  plain.cache.directory = "none";
  const Session untuned(model, plain), tuned(model, tuned_options(40));
  EXPECT_EQ(untuned.info().trials, 0);
  EXPECT_EQ(tuned.info().trials, 40);
  EXPECT_GT(tuned.info().tune_ms, 0);
  const Tensor x = random_tensor({1, 3, 17, 17}, 4);
  const auto a = untuned.run({{"x", x.view()}}), b = tuned.run({{"x", x.view()}});
  EXPECT_LT(difference(b.at("y"), a.at("y")), 1e-5);
}

TEST(TunedSession, AnswersAgreeInEveryWayToSearch) {
  const Tensor x = random_tensor({1, 3, 17, 17}, 4);
  SessionOptions plain;
  plain.cache.directory = "none";
  const auto expected = Session(conv_net(), plain).run({{"x", x.view()}});
  for (const Search search : {Search::loops_only, Search::loops_packed, Search::propagate_only}) {
    for (const int64_t trials : {0, 24}) {
      SessionOptions options = tuned_options(trials);
      options.tuning.search = search;
      if (trials == 0) options.tuning.mode = TuningMode::off;
      const Session session(conv_net(), options);
      EXPECT_EQ(session.info().trials, trials);
      const auto answers = session.run({{"x", x.view()}});
      EXPECT_LT(difference(answers.at("y"), expected.at("y")), 1e-5) << static_cast<int>(search);
    }
  }
}

TEST(TunedSession, ProgressIsReported) {
  SessionOptions options = tuned_options(1000);
  int calls = 0;
  options.tuning.progress = [&](const TuningProgress& progress) {
    ++calls;
    EXPECT_GE(progress.task_index, 0);
    return calls < 3;
  };
  const Session session(attention_net(), options);
  EXPECT_EQ(calls, 3);
  EXPECT_LT(session.info().trials, 1000);
}

}  // namespace
}  // namespace altrt
