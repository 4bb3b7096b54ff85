// Operators of the user's own, beside the registry's rows.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/ops/op.h"

namespace altrt::ops {

/// Immutable; rows of it live as long as it does.
class CustomOperators {
 public:
  /// Error(invalid_argument) names the operator that lacks a name or a function, is there twice, or has the name of one
  /// of the library's.
  explicit CustomOperators(const std::vector<CustomOperator>& operators);
  CustomOperators(const CustomOperators&) = delete;
  CustomOperators& operator=(const CustomOperators&) = delete;

  /// Null if there is none. Its functions throw nothing but Error, which names the node, and std::bad_alloc.
  const OpDef* find(std::string_view domain, std::string_view type) const;

 private:
  std::map<std::pair<std::string, std::string>, OpDef, std::less<>> rows_;  // by domain and type; rows point to keys
};

/// Null for an empty list.
std::shared_ptr<const CustomOperators> custom_operators(const std::vector<CustomOperator>& operators);

/// What is asked of a Computation that an operator of the user's own made for a node on its own:
/// Error(invalid_argument) that names the node.
void check_definition(const NodeInfo& node, const jit::Computation& computation);

}  // namespace altrt::ops
