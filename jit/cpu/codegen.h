// Nest -> LLVM IR. Internal to jit/cpu.
//
// One function per nest: pointers and sizes are loaded once, then a loop over the tasks of the range runs the
// statements. Register tiles are allocas with constant indices that SROA turns into SSA values. Inside a vector loop of
// extent L every store is evaluated in chunks of at most `lanes` iterations; values stay scalar ("uniform") as long as
// no operand differs between lanes. Indices are kept as sums of terms so that each access is classified by how it
// depends on the lane, and so that unrolled iterations fold to constant offsets.
#pragma once

#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jit/kernel/kernel.h"
#include "jit/loop/nest.h"

namespace altrt::jit::cpu {

/// An i64 value: sum of coefficient * term + constant + lane * (lane number in the chunk) + lanes.
struct Affine {
  struct Term {
    llvm::Value* value;  // scalar i64
    int64_t coefficient;
  };
  llvm::SmallVector<Term, 4> terms;  // outermost loops first, no two with one value, no zero coefficients
  int64_t constant = 0;
  int64_t lane = 0;
  llvm::Value* lanes = nullptr;  // <width x i64> whatever is not affine in the lane

  bool is_constant() const { return terms.empty() && lane == 0 && !lanes; }
  bool is_uniform() const { return lane == 0 && !lanes; }
};

class Codegen {
 public:
  Codegen(llvm::Module& module, const Nest& nest, const Target& target);
  /// Adds the kernel's function, named `entry`, to the module.
  void run(const std::string& entry);

 private:
  /// Memory that accesses refer to: an argument, a thread-scope slice, a register tile or a constant table.
  struct Memory {
    llvm::Value* base = nullptr;
    DataType type = DataType::f32;
    std::vector<int64_t> shape;
    int64_t elements = 0;
    bool is_tile = false;
    llvm::MDNode* scope = nullptr;    // alias.scope
    llvm::MDNode* noalias = nullptr;  // scopes of all other memories
    bool invariant = false;           // never written while the kernel runs
  };
  /// The iterations of the enclosing vector loop that are evaluated at the moment.
  struct Chunk {
    int64_t first = 0;
    int width = 0;
  };
  /// What is known of an i64 value that occurs as a term.
  struct Fact {
    int depth = 0;
    int order = 0;  // of creation
    std::optional<Interval> range;
  };
  /// Indices, which it keeps alive, as the number of an element.
  struct Joined {
    Exprs indices;
    Expr flat;
  };
  /// A condition, which it keeps alive, and what is computed instead.
  struct Undivided {
    Expr condition, plain;
  };
  using Memo = llvm::DenseMap<const ExprNode*, llvm::Value*>;
  struct PendingStore {
    Chunk chunk;
    Affine index;
    llvm::Value* value;
    llvm::Value* mask;
  };

  // --- codegen.cc: the frame ---
  llvm::Function* declare(const std::string& entry);
  void load_arguments(llvm::Function* f);
  void add_alias_scopes();
  void task_loop(llvm::Function* f);
  void bind_parallel(llvm::Value* task);
  [[noreturn]] void fail(const std::string& what) const;

  // --- codegen_stmt.cc: statements ---
  void block(const std::vector<Stmt>& body);
  void statement(const Stmt& s);
  void loop(const Stmt& s);
  void serial_loop(const Stmt& s, const Affine& extent);
  void vector_loop(const Stmt& s, int64_t extent);
  void let(const Stmt& s);
  void if_then(const Stmt& s);
  void store(const Stmt& s);
  llvm::Value* current_mask(bool* never);
  bool depends_on_lane(const Expr& e) const;
  void with_binding(const std::string& name, Affine value, const std::vector<Stmt>& body);
  /// Runs `body` as a rotated loop over [first, last); first < last must hold.
  void emit_loop(const std::string& name, llvm::Value* first, llvm::Value* last,
                 llvm::function_ref<void(llvm::Value*)> body);

  // --- codegen_index.cc: i64 values as sums ---
  Affine affine(const Expr& e);
  Affine affine_div_mod(const ExprNode& e);
  Affine divide(ExprKind kind, const Affine& rest, int64_t d);
  llvm::Value* divide_uniform(ExprKind kind, llvm::Value* x, int64_t d, bool non_negative);
  /// `depth`: of the loop that the value varies with; -1 = the current one.
  Affine affine_of(llvm::Value* v, std::optional<Interval> range, int depth = -1);
  Affine scaled(Affine a, int64_t factor);
  Affine sum(const Affine& a, const Affine& b);
  void normalise(Affine* a);
  std::optional<Interval> bounds(const Affine& a) const;
  llvm::Value* materialise(const Affine& a);
  llvm::Value* materialise_uniform(const Affine& a);
  llvm::Value* lane_numbers(llvm::Type* element, int64_t step);
  Affine at_lane(const Affine& a, int lane);
  Affine split_multiples(const Affine& a, int64_t d, Affine* rest) const;

  // --- codegen_expr.cc: values of any type ---
  llvm::Value* value(const Expr& e);
  llvm::Value* memoised(const Expr& e) const;
  llvm::Value* compute(const Expr& e);
  llvm::Value* constant(const ExprNode& e);
  llvm::Value* table(const ExprNode& e);
  std::optional<double> known_entry(const Expr& e);
  llvm::Value* product_with_entry(const ExprNode& e);
  llvm::Value* arithmetic(const ExprNode& e);
  llvm::Value* fma(const ExprNode& e);
  llvm::Value* minimum_maximum(const ExprNode& e);
  const Expr& undivided(const Expr& e);
  llvm::Value* comparison(const ExprNode& e);
  llvm::Value* index_comparison(ExprKind kind, const Affine& a, const Affine& b);
  llvm::Value* select(const ExprNode& e);
  llvm::Value* guarded(const Expr& e, llvm::Value* condition, bool negate);
  llvm::Value* math(const ExprNode& e);
  llvm::Value* call(const ExprNode& e);
  llvm::Value* cast(const ExprNode& e);
  llvm::Value* integer_division(ExprKind kind, DataType type, llvm::Value* a, llvm::Value* b);
  std::pair<llvm::Value*, llvm::Value*> pair(const ExprNode& e);
  bool reads_memory(const Expr& e);

  // --- codegen_access.cc: loads and stores ---
  llvm::Value* load(const Memory& m, const Affine& index);
  llvm::Value* load_contiguous(const Memory& m, const Affine& index);
  llvm::Value* load_where(const Memory& m, llvm::Value* address, llvm::Value* mask);
  llvm::Value* load_stride_two(const Memory& m, const Affine& index);
  llvm::Value* load_row(const Memory& m, const Affine& index);
  llvm::Value* load_lane_by_lane(const Memory& m, const Affine& index);
  llvm::Value* load_tile(const Memory& m, const Affine& index);
  std::pair<int, int> lanes_inside(const Memory& m, const Affine& index, llvm::Value* condition) const;
  llvm::Value* load_at(const Memory& m, llvm::Value* address, llvm::Type* type);
  void store_to(const Memory& m, const PendingStore& s);
  void store_tile(const Memory& m, const PendingStore& s);
  void store_contiguous(const Memory& m, const PendingStore& s);
  void store_lane_by_lane(const Memory& m, const PendingStore& s);
  void store_at(const Memory& m, llvm::Value* address, llvm::Value* value);
  void where(llvm::Value* condition, llvm::function_ref<void()> body);
  Affine flatten(const Memory& m, const Exprs& indices);
  const Expr& joined(const Memory& m, const Exprs& indices);
  /// The address of element `index`, which must be uniform.
  llvm::Value* address(const Memory& m, const Affine& index);
  /// `address`, or that of zeros where the condition (scalar; null = true) does not hold.
  llvm::Value* address_or_zeros(llvm::Value* address, llvm::Value* condition);
  llvm::GlobalVariable* constant_data(const std::string& name, llvm::Constant* contents);
  llvm::Value* lane_of(llvm::Value* v, int lane);  // scalars and null pass
  llvm::Value* any_lane(llvm::Value* condition);   // scalars and null pass
  llvm::VectorType* vector_of(DataType type) const;
  Memory& table_memory(const ExprNode& e);
  llvm::Value* from_memory(DataType type, llvm::Value* v);
  llvm::Value* to_memory(DataType type, llvm::Value* v);
  void annotate(const Memory& m, llvm::Instruction* access, bool is_load);

  // --- small helpers ---
  llvm::Type* type_of(DataType type) const;               // in registers: booleans are i1
  llvm::Type* memory_type_of(DataType type) const;        // in memory: booleans are i8
  llvm::Value* broadcast(llvm::Value* v);                 // to the chunk's width; vectors pass
  llvm::Value* like(llvm::Value* v, llvm::Value* other);  // broadcast v if `other` is a vector
  llvm::ConstantInt* i64(int64_t v) const { return llvm::ConstantInt::getSigned(i64_, v); }
  llvm::Value* intrinsic(llvm::Intrinsic::ID id, llvm::ArrayRef<llvm::Type*> types, llvm::ArrayRef<llvm::Value*> args);
  bool in_vector() const { return chunk_.width > 1; }

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  const Nest& nest_;
  const Target& target_;
  llvm::IRBuilder<> builder_;
  llvm::IntegerType* i64_;
  llvm::Function* function_ = nullptr;

  std::vector<Memory> memories_;  // by buffer number
  std::map<std::pair<const std::vector<double>*, DataType>, Memory> tables_;
  std::map<const ExprNode*, Undivided> undivided_;
  std::map<std::pair<std::vector<const ExprNode*>, std::vector<int64_t>>, Joined> joined_;  // by indices, shape
  llvm::GlobalVariable* zeros_ = nullptr;
  std::map<std::string, Affine> bindings_;  // variables in scope
  llvm::DenseMap<llvm::Value*, Fact> facts_;
  int depth_ = 0;

  std::string vector_variable_;  // empty outside vector loops
  std::vector<Chunk> chunks_;
  Chunk chunk_;
  std::vector<std::pair<Expr, bool>> conditions_;  // lane-varying conditions around the statement; true = negated
  int branches_ =
      0;  // around the statement: where one holds at run time only, a copy made by unrolling may be dead code
  llvm::Value* guard_ = nullptr;  // accesses are performed only where this holds; null = always
  std::vector<Memo> memos_;       // innermost guard last
  llvm::DenseMap<const ExprNode*, bool> reads_memory_;
  const Stmt* at_ = nullptr;  // for messages
};

}  // namespace altrt::jit::cpu
