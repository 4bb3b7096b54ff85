// Pieces of CUDA C: types, constants, names, and the helper functions that a kernel's text defines where it uses them.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include <altrt/tensor.h>

namespace altrt::jit::gpu {

/// "float", "long long", ...
const char* type_name(DataType type);
/// A constant of the type; integers of type i64 as "7", and "7LL" where they don't fit into 32 bits.
std::string constant_text(DataType type, int64_t int_value, double float_value);
/// A name with nothing but letters, digits and underscores that is no word of CUDA C's own.
std::string identifier(const std::string& name);

/// Helper functions in use, by name. `request` returns the name to call.
class Helpers {
 public:
  /// Minimum, maximum, floor division, saturating casts and so on with jit/expr/scalar.h's meaning: "nan_min_f32",
  /// "floor_div_i64", "to_i32_f32".
  std::string request(const std::string& name);
  /// Their definitions.
  std::string text() const;

 private:
  std::set<std::string> used_;
};

/// CUDA's function for a helper of math.h ("pow_f32" -> "powf"); "" if it has none.
std::string math_function(const std::string& helper);

}  // namespace altrt::jit::gpu
