// Features: a candidate as numbers, for cost models. Logarithms to base 2 where values span orders of magnitude.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace altrt::tuner {

/// Where each feature stands. Those from `kind` to `data_elements` depend on the group alone.
enum class Feature : size_t {
  kind,           // of space
  flops,          // of the direct form
  input_bytes,    // of variable inputs
  weight_bytes,   // of constants
  output_bytes,   //
  growth,         // of the algorithm's constants over the direct form's
  stages,         //
  output_block,   // channels (columns) side by side in memory
  input_block,    //
  layout_growth,  // stored elements of activations over logical ones
  unfolded,       // number of unfolded dimensions
  rows,           // points (rows) of the register tile
  vectors,        // vectors of the register tile
  accumulators,   //
  tile_cycles,    // of the machine model, over those of an ideal tile
  spilled,        // accumulators beyond the registers
  unroll,         //
  instructions,   // vector instructions of the innermost block
  tasks,          //
  imbalance,      // of the last round of tasks over the threads of a typical team
  panel_bytes,    // constants that a pass of the innermost loops reads
  strip_bytes,    // variable data that it reads
  panel_reuse,    // passes over a panel before the next
  tail_waste,     // share of points computed in vain
  order,          // of loops, as a number of the kind's own
  parameter_0,    // the kind's own
  parameter_1,
  parameter_2,
  parameter_3,
  parameter_4,
  parameter_5,
  count
};
inline constexpr size_t kFeatures = static_cast<size_t>(Feature::count);

class Features {
 public:
  float& operator[](Feature feature) { return values_[static_cast<size_t>(feature)]; }
  float operator[](Feature feature) const { return values_[static_cast<size_t>(feature)]; }
  const float* data() const { return values_.data(); }

  void set(Feature feature, double value) { (*this)[feature] = static_cast<float>(value); }
  /// log2(1 + value)
  void set_log(Feature feature, double value) { set(feature, std::log2(1 + value)); }

 private:
  std::array<float, kFeatures> values_{};
};

}  // namespace altrt::tuner
