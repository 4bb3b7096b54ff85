// A small network with its gradient, by hand on Eigen.
#pragma once

#include <cmath>
#include <cstddef>

#include <Eigen/Core>

#include "tuner/search/proposer_points.h"

namespace altrt::tuner::learn {

/// inputs -> 64 tanh -> 64 tanh -> outputs. Samples are columns. The parameters are one vector, so that optimisers and
/// files need not know their parts. Scalar is float; double where gradients are checked.
template <typename Scalar>
class Network {
 public:
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

  static constexpr Eigen::Index kHidden = 64;

  /// What a backward pass needs of a forward pass.
  struct Layers {
    Matrix input, first, second, output;
  };

  Network() = default;
  /// The last layer begins near 0, so that the outputs begin near its bias, which is 0.
  Network(Eigen::Index inputs, Eigen::Index outputs, Dice& dice) : inputs_(inputs), outputs_(outputs) {
    parameters_.setZero(kHidden * (inputs + 1) + kHidden * (kHidden + 1) + outputs * (kHidden + 1));
    gradient_ = first_moment_ = second_moment_ = parameters_;
    fill(weights(parameters_, 0), std::sqrt(1.0 / static_cast<double>(inputs)), dice);
    fill(weights(parameters_, 1), std::sqrt(1.0 / static_cast<double>(kHidden)), dice);
    fill(weights(parameters_, 2), 0.01, dice);
  }

  bool empty() const { return parameters_.size() == 0; }
  Vector& parameters() { return parameters_; }
  const Vector& parameters() const { return parameters_; }
  Vector& gradient() { return gradient_; }
  /// The bias of the last layer.
  auto output_bias() { return parameters_.tail(outputs_); }

  void forward(const Matrix& input, Layers& layers) const {
    layers.input = input;
    layers.first = ((weights(parameters_, 0) * input).colwise() + bias(parameters_, 0)).array().tanh();
    layers.second = ((weights(parameters_, 1) * layers.first).colwise() + bias(parameters_, 1)).array().tanh();
    layers.output = (weights(parameters_, 2) * layers.second).colwise() + bias(parameters_, 2);
  }

  /// Adds the gradient of a loss whose derivatives by the outputs are given.
  void backward(const Layers& layers, const Matrix& by_output) {
    weights(gradient_, 2).noalias() += by_output * layers.second.transpose();
    bias(gradient_, 2) += by_output.rowwise().sum();
    Matrix by_sum = (weights(parameters_, 2).transpose() * by_output).array() * (1 - layers.second.array().square());
    weights(gradient_, 1).noalias() += by_sum * layers.first.transpose();
    bias(gradient_, 1) += by_sum.rowwise().sum();
    by_sum = ((weights(parameters_, 1).transpose() * by_sum).array() * (1 - layers.first.array().square())).matrix();
    weights(gradient_, 0).noalias() += by_sum * layers.input.transpose();
    bias(gradient_, 0) += by_sum.rowwise().sum();
  }

  /// One step of Adam down the gradient, which is set back to 0. A gradient longer than 1 is cut to 1.
  void step(Scalar rate) {
    constexpr Scalar kFirst = Scalar(0.9), kSecond = Scalar(0.99), kSmall = Scalar(1e-6);
    const Scalar length = gradient_.norm();
    if (length > 1) gradient_ /= length;
    ++steps_;
    first_moment_ = kFirst * first_moment_ + (1 - kFirst) * gradient_;
    second_moment_ = kSecond * second_moment_ + (1 - kSecond) * gradient_.cwiseAbs2();
    const Scalar first = 1 - std::pow(kFirst, Scalar(steps_)), second = 1 - std::pow(kSecond, Scalar(steps_));
    parameters_.array() -= rate * (first_moment_.array() / first) / ((second_moment_.array() / second).sqrt() + kSmall);
    gradient_.setZero();
  }

 private:
  static void fill(Eigen::Map<Matrix> matrix, double scale, Dice& dice) {
    for (Eigen::Index i = 0; i < matrix.size(); ++i) matrix.data()[i] = static_cast<Scalar>(scale * dice.normal());
  }

  Eigen::Index rows(int layer) const { return layer == 2 ? outputs_ : kHidden; }
  Eigen::Index columns(int layer) const { return layer == 0 ? inputs_ : kHidden; }
  Eigen::Index offset(int layer) const {
    Eigen::Index sum = 0;
    for (int l = 0; l < layer; ++l) sum += rows(l) * (columns(l) + 1);
    return sum;
  }
  // A layer's weights, then its bias.
  Eigen::Map<Matrix> weights(Vector& all, int layer) const {
    return {all.data() + offset(layer), rows(layer), columns(layer)};
  }
  Eigen::Map<const Matrix> weights(const Vector& all, int layer) const {
    return {all.data() + offset(layer), rows(layer), columns(layer)};
  }
  Eigen::Map<Vector> bias(Vector& all, int layer) const {
    return {all.data() + offset(layer) + rows(layer) * columns(layer), rows(layer)};
  }
  Eigen::Map<const Vector> bias(const Vector& all, int layer) const {
    return {all.data() + offset(layer) + rows(layer) * columns(layer), rows(layer)};
  }

  Eigen::Index inputs_ = 0, outputs_ = 0;
  Vector parameters_, gradient_, first_moment_, second_moment_;
  int steps_ = 0;
};

}  // namespace altrt::tuner::learn
