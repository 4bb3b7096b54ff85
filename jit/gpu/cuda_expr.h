// Expressions as CUDA C. Internal to jit/gpu.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "jit/expr/analysis.h"
#include "jit/gpu/cuda_text.h"
#include "jit/loop/nest.h"

namespace altrt::jit::gpu {

/// Lines with indentation.
class Writer {
 public:
  void line(const std::string& text);
  void open(const std::string& head);  // "head {"
  void close(const std::string& tail = "");
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  int depth_ = 0;
};

/// Constant tables that a kernel's text defines, in order of first use.
class Tables {
 public:
  std::string request(const ExprNode& e);  // its name
  std::string text() const;

 private:
  struct Table {
    std::shared_ptr<const std::vector<double>> values;
    DataType type;
  };
  std::vector<Table> tables_;
};

/// Prints the values of one statement. What occurs several times is computed once, in a line of its own before the
/// statement; what a select guards stays behind its condition.
class ExprPrinter {
 public:
  struct Names {
    std::vector<std::string> buffers;              // by buffer number
    std::map<std::string, std::string> variables;  // in scope
    const char* index_type = "int";                // of index arithmetic
  };

  ExprPrinter(const Nest& nest, const Names& names, Helpers& helpers, Tables& tables, Analyzer& analyzer,
              Writer& writer, int& temporaries);

  /// Takes part in finding out what occurs several times; before the first text().
  void announce(const Expr& e);
  std::string text(const Expr& e);
  /// "x[index]"
  std::string element(int buffer, const Exprs& indices);
  /// Row-major number of an element, simplified.
  Expr flat(int buffer, const Exprs& indices) const;
  /// What state(k) stands for.
  void set_states(std::vector<std::string> names) { states_ = std::move(names); }

 private:
  using Memo = std::unordered_map<const ExprNode*, std::string>;

  const std::string* find(const Expr& e) const;
  bool is_shared(const Expr& e) const;
  bool reads_memory(const Expr& e) const;
  bool is_index(const Expr& e) const;
  std::string type_of(const Expr& e) const;
  std::string compute(const Expr& e);
  std::string binary(const Expr& e, const char* symbol);
  std::string arithmetic(const Expr& e, const char* symbol);
  std::string division(const Expr& e);
  std::string min_max(const Expr& e);
  std::string select(const Expr& e);
  std::string cast(const Expr& e);
  std::string bitcast(const Expr& e);
  std::string call(const Expr& e);
  std::string function(const Expr& e, const char* single);
  bool needs_block(const Expr& branch) const;

  const Nest& nest_;
  const Names& names_;
  Helpers& helpers_;
  Tables& tables_;
  Analyzer& analyzer_;
  Writer& writer_;
  int& temporaries_;
  std::vector<Expr> keep_;  // roots: addresses in the maps stay theirs
  std::unordered_map<const ExprNode*, int> uses_;
  std::vector<Memo> memos_;  // innermost block last
  std::vector<std::string> states_;
};

/// Without a pair of brackets round all of it.
std::string unwrap(const std::string& text);
/// Integer arithmetic over variables only.
bool is_pure_index(const Expr& e);

}  // namespace altrt::jit::gpu
