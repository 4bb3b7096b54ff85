// How well the cost model ranks candidates that it has not seen.
//   altrt_rank_correlation [--points N] [--seed N] [--threads N] MODEL.onnx ...
// Per model: N random points of the joint space (layouts and loops) of its most expensive group, direct algorithms
// alone, are measured. One model learns the first two thirds of every group, as the tuner does, and predicts the rest.
// Writes Spearman's rank correlation between prediction and speed of the rest for each group, and the mean.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <altrt/error.h>
#include <altrt/model.h>

#include "jit/compile/provide.h"
#include "tuner/cost/ranker.h"
#include "tuner/measure/measurer.h"
#include "tuner/space/space.h"

namespace {

using namespace altrt;

struct Options {
  size_t points = 96;
  uint64_t seed = 1;
  int threads = 2;
  std::vector<std::string> models;
};

// Ranks from 0; equal values share the mean of theirs.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
    for (size_t i = first; i < last; ++i) ranks[order[i]] = static_cast<double>(first + last - 1) / 2;
  }
  return ranks;
}

double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double mean = (static_cast<double>(a.size()) - 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

/// Measured random points of one model's most expensive group.
class Sampled {
 public:
  Sampled(const std::string& path, size_t number, const Options& options, base::Team& team)
      : target_(jit::host_target()), random_(options.seed * 1000 + number) {
    const Model model = Model::load(path);
    const graph::Graph graph = graph::simplify(model.graph(), {}, {});
    const std::vector<graph::Group> groups = graph::form_groups(graph);
    const std::vector<tuner::Task> tasks =
        tuner::make_tasks(graph, groups, graph::default_decisions(graph, groups, target_));
    if (tasks.empty()) throw Error(ErrorCode::invalid_argument, path + ": nothing to tune");
    tuner::Task task =
        *std::max_element(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) { return a.flops < b.flops; });
    task.neighbours.clear();  // times of kernels alone
    std::vector<std::string> algorithms = jit::algorithms(*task.computation);
    std::erase_if(algorithms, [](const std::string& name) { return !jit::is_direct(name); });
    spaces_ = tuner::make_spaces(*task.computation, task.initial, target_, algorithms);
    const std::string prefix = "r" + std::to_string(number) + "_";
    tuner::Measurer measurer(
        task, tuner::load(task.initial, jit::compile(*task.computation, task.initial, target_, prefix + "start")),
        prefix, {target_, team});
    measure(measurer, options.points);
  }

  const std::vector<tuner::Sample>& samples() const { return samples_; }
  int refused() const { return refused_; }

 private:
  void measure(tuner::Measurer& measurer, size_t points) {
    constexpr size_t kBatch = 16, kTriesPerPoint = 8;
    for (size_t tries = 0; samples_.size() < points && tries < kTriesPerPoint * points; tries += kBatch) {
      std::vector<jit::GroupDecision> decisions;
      std::vector<tuner::Features> features;
      while (decisions.size() < std::min(kBatch, points - samples_.size())) propose(decisions, features);
      const std::vector<tuner::Outcome> outcomes = measurer.measure(decisions, [] { return false; });
      for (size_t i = 0; i < outcomes.size(); ++i) {
        if (outcomes[i].measured)
          samples_.push_back({features[i], outcomes[i].ms});
        else
          ++refused_;
      }
    }
    std::shuffle(samples_.begin(), samples_.end(), random_);
  }

  tuner::Point random_point(const tuner::Knobs& knobs) {
    tuner::Point point = knobs.start();
    for (int tries = 0; tries < 100; ++tries) {
      for (size_t k = 0; k < point.size(); ++k) point[k] = static_cast<int>(random_() % knobs.knobs()[k].values.size());
      if (knobs.plausible(point)) return point;
    }
    return knobs.start();
  }

  void propose(std::vector<jit::GroupDecision>& decisions, std::vector<tuner::Features>& features) {
    const tuner::LayoutSpace& space = *spaces_[random_() % spaces_.size()];
    try {
      const auto loops = space.loops(random_point(space));
      const tuner::Point point = random_point(*loops);
      decisions.push_back(loops->decide(point));
      features.push_back(loops->features(point));
    } catch (const Error&) {  // the template refuses the layouts
    }
  }

  const jit::Target target_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<tuner::LayoutSpace>> spaces_;
  std::vector<tuner::Sample> samples_;
  int refused_ = 0;
};

int run(const Options& options) {
  base::Team team(options.threads);
  tuner::Ranker ranker(options.seed);
  std::vector<std::vector<tuner::Sample>> held_out;
  for (size_t i = 0; i < options.models.size(); ++i) {
    const Sampled sampled(options.models[i], i, options, team);
    const std::vector<tuner::Sample>& all = sampled.samples();
    const auto cut = all.begin() + static_cast<std::ptrdiff_t>(all.size() * 2 / 3);
    ranker.learn(i + 1, {all.begin(), cut});
    held_out.emplace_back(cut, all.end());
    std::fprintf(stderr, "%s: %zu measured, %d refused\n", options.models[i].c_str(), all.size(), sampled.refused());
  }
  double sum = 0;
  for (size_t i = 0; i < options.models.size(); ++i) {
    std::vector<tuner::Features> features;
    std::vector<double> speeds;
    for (const tuner::Sample& sample : held_out[i]) {
      features.push_back(sample.features);
      speeds.push_back(1 / sample.ms);
    }
    const std::vector<double> scores = ranker(features);
    const double correlation = scores.empty() ? 0 : spearman(scores, speeds);
    sum += correlation;
    std::printf("%-40s %4zu held out, rank correlation %6.3f\n", options.models[i].c_str(), speeds.size(), correlation);
  }
  std::printf("%-40s                mean             %6.3f\n", "", sum / static_cast<double>(options.models.size()));
  return 0;
}

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name.rfind("--", 0) != 0) {
      options.models.push_back(name);
      continue;
    }
    const char* value = i + 1 < count ? arguments[++i] : "";
    if (name == "--points")
      options.points = std::strtoull(value, nullptr, 10);
    else if (name == "--seed")
      options.seed = std::strtoull(value, nullptr, 10);
    else if (name == "--threads")
      options.threads = std::atoi(value);
    else
      throw Error(ErrorCode::invalid_argument, "unknown option '" + name + "'");
  }
  if (options.models.empty()) throw Error(ErrorCode::invalid_argument, "which models?");
  return options;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(parse(count, arguments));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
