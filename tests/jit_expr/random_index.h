// Random quasi-affine expressions and a direct evaluation of them, for property tests.
#pragma once

#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "jit/expr/expr.h"
#include "jit/expr/scalar.h"
#include "jit/expr/simplify.h"

namespace altrt::jit::testing {

/// ALTRT_TEST_SEED, or `fallback`; printed.
inline uint64_t test_seed(uint64_t fallback) {
  const char* text = std::getenv("ALTRT_TEST_SEED");
  const uint64_t seed = text ? std::strtoull(text, nullptr, 10) : fallback;
  std::cout << "seed " << seed << " (set ALTRT_TEST_SEED to repeat)\n";
  return seed;
}

/// `n`, or twenty times that in a long run (ALTRT_TEST_LONG set).
inline int rounds(int n) { return std::getenv("ALTRT_TEST_LONG") ? 20 * n : n; }

using Values = std::map<std::string, int64_t>;

/// By recursion over the definition of each operation; integers and booleans only.
inline int64_t evaluate_index(const Expr& e, const Values& values) {
  const auto arg = [&](int i) { return evaluate_index(e->args[i], values); };
  switch (e->kind) {
    case ExprKind::constant:
      return e->int_value;
    case ExprKind::variable:
      return values.at(e->name);
    case ExprKind::add:
      return arg(0) + arg(1);
    case ExprKind::sub:
      return arg(0) - arg(1);
    case ExprKind::mul:
      return arg(0) * arg(1);
    case ExprKind::neg:
      return -arg(0);
    case ExprKind::floor_div:
      return floored_div(arg(0), arg(1));
    case ExprKind::floor_mod:
      return floored_mod(arg(0), arg(1));
    case ExprKind::min:
      return std::min(arg(0), arg(1));
    case ExprKind::max:
      return std::max(arg(0), arg(1));
    case ExprKind::eq:
      return arg(0) == arg(1);
    case ExprKind::ne:
      return arg(0) != arg(1);
    case ExprKind::lt:
      return arg(0) < arg(1);
    case ExprKind::le:
      return arg(0) <= arg(1);
    case ExprKind::logical_and:
      return arg(0) && arg(1);
    case ExprKind::logical_or:
      return arg(0) || arg(1);
    case ExprKind::logical_not:
      return !arg(0);
    case ExprKind::select:
      return arg(0) ? arg(1) : arg(2);
    case ExprKind::table:
      return static_cast<int64_t>((*e->table)[floored_mod(arg(0), e->table->size())]);
    default:
      throw std::logic_error("evaluate_index: " + to_string(e));
  }
}

class RandomIndex {
 public:
  explicit RandomIndex(uint64_t seed) : random_(seed) {}

  int64_t integer(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random_); }

  Ranges ranges() {
    Ranges r;
    for (const char* name : {"x", "y", "z", "w"}) {
      const int64_t lo = integer(0, 3) ? 0 : integer(-9, 9);
      r[name] = {lo, lo + factor() * integer(1, 3) - 1};
    }
    return r;
  }

  Values point(const Ranges& ranges) {
    Values v;
    for (const auto& [name, range] : ranges) v[name] = integer(range.lo, range.hi);
    return v;
  }

  Expr index(int depth) {
    if (depth == 0 || integer(0, 9) == 0) {
      if (integer(0, 4) == 0) return Expr(integer(-20, 20));
      return variable(std::string(1, "xyzw"[integer(0, 3)]));
    }
    switch (integer(0, 11)) {
      case 0:
      case 1:
      case 2:
        return index(depth - 1) + index(depth - 1);
      case 3:
        return index(depth - 1) - index(depth - 1);
      case 4:
      case 5:
        return index(depth - 1) * Expr(integer(0, 5) ? factor() : -factor());
      case 6:
      case 7:
        return floor_div(index(depth - 1), Expr(factor()));
      case 8:
      case 9:
        return floor_mod(index(depth - 1), Expr(factor()));
      case 10:
        return integer(0, 1) ? min(index(depth - 1), index(depth - 1)) : max(index(depth - 1), index(depth - 1));
      default:
        return select(condition(depth - 1), index(depth - 1), index(depth - 1));
    }
  }

  Expr condition(int depth) {
    switch (integer(0, depth > 0 ? 8 : 3)) {
      case 0:
        return lt(index(depth), index(depth));
      case 1:
        return le(index(depth), index(depth));
      case 2:
        return eq(index(depth), index(depth));
      case 3:
        return ne(index(depth), index(depth));
      case 4:
      case 5:
        return logical_and(condition(depth - 1), condition(depth - 1));
      case 6:
      case 7:
        return logical_or(condition(depth - 1), condition(depth - 1));
      default:
        return logical_not(condition(depth - 1));
    }
  }

 private:
  int64_t factor() {
    static constexpr int64_t kFactors[] = {1, 2, 3, 4, 4, 5, 6, 8, 8, 12, 16};
    return kFactors[integer(0, 10)];
  }

  std::mt19937_64 random_;
};

}  // namespace altrt::jit::testing
