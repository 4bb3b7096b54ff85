// Many threads on one session: each gets the bits of a serial run, in every form of call; copies and contexts live and
// die in any order meanwhile. Meant for ThreadSanitizer too.
#include <atomic>
#include <optional>
#include <thread>
#include <tuple>

#include "tests/session/models.h"

namespace altrt {
namespace {

constexpr size_t kCallers = 8;
constexpr int kRuns = 200;

SessionOptions options_of(int threads, Concurrency concurrency) {
  SessionOptions options;
  options.threads = threads;
  options.concurrency = concurrency;
  options.cache.directory = "none";
  return options;
}

/// Inputs that differ from caller to caller, and what a session of one thread makes of each.
struct Expected {
  std::vector<Tensors> inputs, outputs;

  explicit Expected(const Model& model) {
    const Session serial(model, options_of(1, Concurrency::share));
    for (uint64_t i = 0; i < kCallers; ++i) {
      inputs.push_back(make_inputs(serial.inputs(), 50 + i));
      outputs.push_back(serial.run(views(inputs.back())));
    }
  }

  /// Whether these are the outputs for inputs[i].
  bool equals(size_t i, const Tensors& got) const {
    for (const auto& [name, wanted] : outputs[i]) {
      if (!got.contains(name) || !same_bits(got.at(name), wanted)) return false;
    }
    return got.size() == outputs[i].size();
  }
  bool equals(size_t i, const Context& context) const {
    for (const auto& [name, wanted] : outputs[i]) {
      const TensorView got = context.output(name);
      if (got.shape != wanted.shape() || std::memcmp(got.data, wanted.data(), wanted.bytes()) != 0) return false;
    }
    return true;
  }
};

void bind(Context& context, const Tensors& inputs) {
  for (const auto& [name, view] : views(inputs)) context.bind(name, view);
}

/// Runs `body(caller)` in kCallers threads, let go at the same moment.
template <typename Body>
void all_at_once(Body body) {
  std::atomic<size_t> ready{0};
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      ready.fetch_add(1);
      while (ready < kCallers) std::this_thread::yield();
      body(caller);
    });
  }
  for (std::thread& caller : callers) caller.join();
}

const std::vector<std::pair<const char*, Model (*)()>> kNets = {
    {"conv", [] { return conv_net(); }},
    {"conv_batch", [] { return conv_net(8); }},
    {"attention", [] { return attention_net(80); }},
    {"alias", [] { return alias_net(); }},
};

// Net, threads of the session's team, policy.
class Callers : public ::testing::TestWithParam<std::tuple<size_t, int, Concurrency>> {
 protected:
  const Model model_ = kNets[std::get<0>(GetParam())].second();
  const Expected expected_{model_};
  const Session session_{model_, options_of(std::get<1>(GetParam()), std::get<2>(GetParam()))};
};

TEST(CallersNets, TwoShareTheirKernelsAmongThreads) {
  std::vector<bool> shared;
  for (const auto& [name, make] : kNets) {
    shared.push_back(shares_work(Session(make(), options_of(2, Concurrency::share))));
  }
  EXPECT_EQ(shared, (std::vector<bool>{true, true, true, false}));
}

TEST_P(Callers, WithContextsGetTheSerialBits) {
  std::vector<int> wrong(kCallers, 0);
  all_at_once([&](size_t caller) {
    Context context = session_.context();
    for (int i = 0; i < kRuns; ++i) {
      // Now and then the inputs of the neighbour, so that a context that kept something of the last run is found out.
      const size_t wanted = i % 16 < 12 ? caller : (caller + 1) % kCallers;
      if (i % 4 == 0) bind(context, expected_.inputs[wanted]);
      session_.run(context);
      wrong[caller] += !expected_.equals(wanted, context);
    }
  });
  EXPECT_EQ(wrong, std::vector<int>(kCallers, 0));
}

TEST_P(Callers, WithMapsGetTheSerialBits) {
  std::vector<int> wrong(kCallers, 0);
  all_at_once([&](size_t caller) {
    for (int i = 0; i < kRuns; ++i) {
      const size_t wanted = (caller + static_cast<size_t>(i)) % kCallers;
      wrong[caller] += !expected_.equals(wanted, session_.run(views(expected_.inputs[wanted])));
    }
  });
  EXPECT_EQ(wrong, std::vector<int>(kCallers, 0));
}

INSTANTIATE_TEST_SUITE_P(All, Callers,
                         ::testing::Combine(::testing::Range<size_t>(0, kNets.size()), ::testing::Values(1, 2, 3),
                                            ::testing::Values(Concurrency::share, Concurrency::queue)),
                         [](const auto& info) {
                           return std::string(kNets[std::get<0>(info.param)].first) + "_threads" +
                                  std::to_string(std::get<1>(info.param)) +
                                  (std::get<2>(info.param) == Concurrency::queue ? "_queue" : "_share");
                         });

// The original is destroyed while all run on copies of it; the last copy dies in whichever thread ends last, the
// contexts, which keep the plan alive, after every session.
TEST(CallersLife, CopiesAndContextsOutliveTheOriginal) {
  const Expected expected(conv_net(8));
  std::optional<Session> original(std::in_place, conv_net(8), options_of(2, Concurrency::share));
  std::vector<std::optional<Session>> copies(kCallers, original);
  std::vector<std::optional<Context>> contexts(kCallers);
  std::vector<int> wrong(kCallers, 0);
  all_at_once([&](size_t caller) {
    const Session mine = *std::exchange(copies[caller], std::nullopt);
    if (caller == 0) original.reset();
    Context& context = contexts[caller].emplace(mine.context());
    bind(context, expected.inputs[caller]);
    for (int i = 0; i < kRuns / 4; ++i) {
      const Session passing(mine);
      passing.run(context);
      wrong[caller] += !expected.equals(caller, context);
      wrong[caller] += !expected.equals(caller, passing.run(views(expected.inputs[caller])));
    }
  });
  EXPECT_EQ(wrong, std::vector<int>(kCallers, 0));
  for (size_t caller = 0; caller < kCallers; ++caller) EXPECT_TRUE(expected.equals(caller, *contexts[caller]));
}

// Sessions of one model, which share its packed weights, are made, used and destroyed in all threads at once.
TEST(CallersLife, SessionsOfOneModelComeAndGo) {
  for (const Model& model : {conv_net(), attention_net()}) {
    const Expected expected(model);
    std::vector<int> wrong(kCallers, 0);
    all_at_once([&](size_t caller) {
      for (int i = 0; i < 3; ++i) {
        const Session session(model, options_of(1 + static_cast<int>(caller) % 2, Concurrency::share));
        wrong[caller] += !expected.equals(caller, session.run(views(expected.inputs[caller])));
      }
    });
    EXPECT_EQ(wrong, std::vector<int>(kCallers, 0)) << model.name();
  }
}

// Calls that are refused, with those that run.
TEST(CallersLife, RefusedCallsDisturbNobody) {
  const Expected expected(alias_net());
  const Session session(alias_net(), options_of(2, Concurrency::queue));
  std::vector<int> wrong(kCallers, 0);
  all_at_once([&](size_t caller) {
    for (int i = 0; i < kRuns; ++i) {
      if (caller % 2 == 0) {
        wrong[caller] += !expected.equals(caller, session.run(views(expected.inputs[caller])));
        continue;
      }
      try {
        session.run(Views{});
        ++wrong[caller];
      } catch (const Error&) {
      }
    }
  });
  EXPECT_EQ(wrong, std::vector<int>(kCallers, 0));
}

}  // namespace
}  // namespace altrt
