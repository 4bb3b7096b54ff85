#include "tuner/learn/ppo.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace altrt::tuner::learn {
namespace {

constexpr int kReportsPerUpdate = 4;
constexpr int kEpochs = 6, kModelEpochs = 3;
constexpr size_t kLatest = 8, kBest = 8, kModelLatest = 8, kModelBest = 4, kModelEpisodes = 32;
constexpr size_t kMostMeasured = 4096;
constexpr float kRate = 3e-3f;
constexpr double kGaeLambda = 0.95;
constexpr double kLeastSpread = 0.02;  // of rewards: below it they are taken for noise
constexpr char kMagic[8] = {'a', 'l', 't', 'p', 'p', 'o', '0', '1'};

std::vector<KnobKind> kinds_of(const KnobStates& states, size_t knobs) {
  std::vector<KnobKind> kinds;
  for (size_t k = 0; k < knobs; ++k) kinds.push_back(states.kind(k));
  return kinds;
}

// Generalised advantage estimation of one episode whose only reward comes at its end; nothing is discounted.
void add_advantages(const float* values, size_t steps, double reward, std::vector<float>& advantages) {
  const size_t first = advantages.size();
  advantages.resize(first + steps);
  double sum = 0;
  for (size_t t = steps; t-- > 0;) {
    const double next = t + 1 == steps ? reward : values[t + 1];
    sum = next - values[t] + kGaeLambda * sum;
    advantages[first + t] = static_cast<float>(sum);
  }
}

void normalise(std::vector<float>& values) {
  const auto count = static_cast<double>(values.size());
  double mean = 0, variance = 0;
  for (const float value : values) mean += value / count;
  for (const float value : values) variance += (value - mean) * (value - mean) / count;
  const double scale = 1 / std::max(std::sqrt(variance), kLeastSpread);
  for (float& value : values) value = static_cast<float>((value - mean) * scale);
}

}  // namespace

Ppo::Ppo(const std::vector<Knob>& knobs, uint64_t seed)
    : knobs_((check_knobs(knobs), knobs)),
      states_(knobs),
      dice_(seed),
      policy_(kinds_of(states_, knobs.size()), dice_) {}

Ppo::Episode Ppo::sample() {
  Episode episode;
  episode.point.assign(knobs_.size(), 0);
  Network<float>::Matrix state(KnobStates::kWidth, 1);
  for (size_t k = 0; k < knobs_.size(); ++k) {
    states_.write(episode.point, k, state.data());
    const Gaussian<float> choice = policy_.act(states_.kind(k), state);
    const float action = choice.mean + std::exp(choice.log_deviation) * static_cast<float>(dice_.normal());
    const auto count = static_cast<double>(knobs_[k].values.size());
    const double share = 1 / (1 + std::exp(-static_cast<double>(action)));
    episode.point[k] = static_cast<int>(std::min(std::floor(share * count), count - 1));
    episode.actions.push_back(action);
  }
  return episode;
}

Ppo::Episode Ppo::episode_of(const Point& point) const {
  Episode episode;
  episode.point = point;
  for (size_t k = 0; k < knobs_.size(); ++k) {
    const double share = (point[k] + 0.5) / static_cast<double>(knobs_[k].values.size());
    episode.actions.push_back(static_cast<float>(std::log(share / (1 - share))));
  }
  return episode;
}

Point Ppo::propose() {
  Episode episode;
  const Point point = seen_.first_new([&] {
    episode = sample();
    return episode.point;
  });
  proposed_[point] = episode.actions;
  return point;
}

void Ppo::report(const Point& point, double reward) {
  check_report(knobs_, point, reward);
  Episode episode = episode_of(point);
  const auto proposed = proposed_.find(point);
  if (proposed != proposed_.end()) {
    episode.actions = std::move(proposed->second);
    proposed_.erase(proposed);
  }
  episode.reward = reward;
  seen_.add(point);
  reward_of_[point] = reward;
  measured_.push_back(std::move(episode));
  if (measured_.size() > kMostMeasured) measured_.erase(measured_.begin());
  if (++fresh_ < kReportsPerUpdate) return;
  fresh_ = 0;
  train(measured_to_learn_from(kLatest, kBest), kEpochs);
}

std::vector<const Ppo::Episode*> Ppo::measured_to_learn_from(size_t latest, size_t best) const {
  std::vector<const Episode*> older, chosen;
  const size_t first = measured_.size() - std::min(latest, measured_.size());
  for (size_t i = 0; i < measured_.size(); ++i) (i < first ? older : chosen).push_back(&measured_[i]);
  std::stable_sort(older.begin(), older.end(),
                   [](const Episode* a, const Episode* b) { return a->reward > b->reward; });
  older.resize(std::min(best, older.size()));
  chosen.insert(chosen.end(), older.begin(), older.end());
  return chosen;
}

Experience<float> Ppo::experience_of(const std::vector<const Episode*>& episodes) {
  const size_t steps = knobs_.size(), count = episodes.size() * steps;
  Experience<float> experience;
  experience.states.resize(KnobStates::kWidth, static_cast<Eigen::Index>(count));
  for (size_t e = 0; e < episodes.size(); ++e) {
    for (size_t k = 0; k < steps; ++k) {
      states_.write(episodes[e]->point, k, experience.states.col(static_cast<Eigen::Index>(e * steps + k)).data());
      experience.kinds.push_back(states_.kind(k));
      experience.actions.push_back(episodes[e]->actions[k]);
      experience.returns.push_back(static_cast<float>(episodes[e]->reward));
    }
  }
  const std::vector<float> values = policy_.values(experience.states);
  for (size_t e = 0; e < episodes.size(); ++e) {
    add_advantages(&values[e * steps], steps, episodes[e]->reward, experience.advantages);
  }
  normalise(experience.advantages);
  experience.old_log_probabilities = policy_.log_probabilities(experience);
  return experience;
}

void Ppo::train(const std::vector<const Episode*>& episodes, int epochs) {
  if (episodes.empty()) return;
  const Experience<float> experience = experience_of(episodes);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    policy_.loss(experience, LossOptions());
    policy_.step(kRate);
  }
}

double Ppo::offset_of(const RewardModel& model) const {
  std::vector<Point> points;
  for (const Episode* episode : measured_to_learn_from(kLatest, kBest)) points.push_back(episode->point);
  if (points.empty()) return 0;
  const std::vector<double> predicted = model(points);
  double sum = 0;
  for (size_t i = 0; i < points.size(); ++i) sum += reward_of_.at(points[i]) - predicted.at(i);
  return sum / static_cast<double>(points.size());
}

void Ppo::learn_from_model(const RewardModel& model, size_t points) {
  const double offset = offset_of(model);
  for (size_t done = 0; done < points; done += kModelEpisodes) {
    std::vector<Episode> episodes;
    std::vector<Point> sampled;
    for (size_t i = 0; i < std::min(kModelEpisodes, points - done); ++i) {
      episodes.push_back(sample());
      sampled.push_back(episodes.back().point);
    }
    const std::vector<double> predicted = model(sampled);
    std::vector<const Episode*> all = measured_to_learn_from(kModelLatest, kModelBest);
    for (size_t i = 0; i < episodes.size(); ++i) {
      const auto measured = reward_of_.find(sampled[i]);
      episodes[i].reward = measured != reward_of_.end() ? measured->second : predicted.at(i) + offset;
      if (std::isfinite(episodes[i].reward)) all.push_back(&episodes[i]);
    }
    train(all, kModelEpochs);
  }
}

std::string Ppo::save() const {
  std::string bytes(kMagic, sizeof kMagic);
  const auto add = [&](int32_t kind, const Network<float>& network) {
    const auto size = static_cast<int32_t>(network.parameters().size());
    bytes.append(reinterpret_cast<const char*>(&kind), sizeof kind);
    bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
    bytes.append(reinterpret_cast<const char*>(network.parameters().data()), sizeof(float) * static_cast<size_t>(size));
  };
  for (int kind = 0; kind < kKnobKinds; ++kind) {
    const Network<float>& actor = policy_.actor(static_cast<KnobKind>(kind));
    if (!actor.empty()) add(kind, actor);
  }
  add(kKnobKinds, policy_.critic());
  return bytes;
}

// Kinds that the other one did not have stay as they are; kinds that are not needed here are passed over.
bool Ppo::load(const std::string& bytes) {
  if (bytes.compare(0, sizeof kMagic, kMagic, sizeof kMagic) != 0) return false;
  std::vector<std::pair<Network<float>*, const char*>> found;
  size_t at = sizeof kMagic;
  while (at < bytes.size()) {
    int32_t kind = 0, size = 0;
    if (bytes.size() - at < sizeof kind + sizeof size) return false;
    std::memcpy(&kind, &bytes[at], sizeof kind);
    std::memcpy(&size, &bytes[at + sizeof kind], sizeof size);
    at += sizeof kind + sizeof size;
    if (kind < 0 || kind > kKnobKinds || size < 0 || (bytes.size() - at) / sizeof(float) < static_cast<size_t>(size)) {
      return false;
    }
    Network<float>& network = kind == kKnobKinds ? policy_.critic() : policy_.actor(static_cast<KnobKind>(kind));
    const char* data = bytes.data() + at;
    at += sizeof(float) * static_cast<size_t>(size);
    for (int32_t i = 0; i < size; ++i) {
      float value = 0;
      std::memcpy(&value, data + sizeof(float) * static_cast<size_t>(i), sizeof value);
      if (!std::isfinite(value)) return false;
    }
    if (network.empty()) continue;
    if (network.parameters().size() != size) return false;
    found.emplace_back(&network, data);
  }
  for (const auto& [network, data] : found) {
    std::memcpy(network->parameters().data(), data, sizeof(float) * static_cast<size_t>(network->parameters().size()));
  }
  return true;
}

}  // namespace altrt::tuner::learn
