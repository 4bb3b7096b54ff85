// Runs programs.
#include <altrt/error.h>

#include <cmath>

#include "jit/expr/program_code.h"
#include "jit/expr/scalar.h"

namespace altrt::jit {
namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::internal, message); }

template <typename T>
T& at(void* data, int64_t element) {
  return static_cast<T*>(data)[element];
}

template <typename T>
T apply(const void* function, int arity, T a, T b) {
  if (arity == 1) return reinterpret_cast<T (*)(T)>(const_cast<void*>(function))(a);
  return reinterpret_cast<T (*)(T, T)>(const_cast<void*>(function))(a, b);
}

Value look_up(const std::vector<double>& table, DataType type, int64_t index) {
  if (index < 0 || index >= static_cast<int64_t>(table.size())) {
    fail("index " + std::to_string(index) + " lies outside a table of " + std::to_string(table.size()));
  }
  const double x = table[index];
  if (type == DataType::f32) return Value{.f = static_cast<float>(x)};
  if (type == DataType::f64) return Value{.d = x};
  return Value{.i = float_to_int(type, x)};
}

Value load_at(const Binding& tensor, const Value* registers, const int32_t* indices, int rank) {
  if (rank != static_cast<int>(tensor.shape.size())) fail(tensor.name + ": an access has the wrong rank");
  int64_t index[16];
  if (rank > 16) fail(tensor.name + ": rank above 16");
  for (int d = 0; d < rank; ++d) index[d] = registers[indices[d]].i;
  return tensor.load(tensor.element(index));
}

}  // namespace

int64_t Binding::element(const int64_t* indices) const {
  int64_t element = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (indices[d] < 0 || indices[d] >= shape[d]) {
      fail(name + ": index " + std::to_string(indices[d]) + " of dimension " + std::to_string(d) +
           " lies outside [0, " + std::to_string(shape[d]) + ")");
    }
    element = element * shape[d] + indices[d];
  }
  return element;
}

Value Binding::load(int64_t element) const {
  if (written && !written[element]) fail(name + ": element " + std::to_string(element) + " is read but never written");
  switch (type) {
    case DataType::f32:
      return Value{.f = at<float>(data, element)};
    case DataType::f64:
      return Value{.d = at<double>(data, element)};
    case DataType::i64:
      return Value{.i = at<int64_t>(data, element)};
    case DataType::i32:
      return Value{.i = at<int32_t>(data, element)};
    case DataType::i8:
      return Value{.i = at<int8_t>(data, element)};
    case DataType::u8:
      return Value{.i = at<uint8_t>(data, element)};
    default:
      return Value{.i = at<uint8_t>(data, element) != 0};
  }
}

void Binding::store(int64_t element, Value value) const {
  switch (type) {
    case DataType::f32:
      at<float>(data, element) = value.f;
      break;
    case DataType::f64:
      at<double>(data, element) = value.d;
      break;
    case DataType::i64:
      at<int64_t>(data, element) = value.i;
      break;
    case DataType::i32:
      at<int32_t>(data, element) = static_cast<int32_t>(value.i);
      break;
    case DataType::i8:
      at<int8_t>(data, element) = static_cast<int8_t>(value.i);
      break;
    case DataType::u8:
      at<uint8_t>(data, element) = static_cast<uint8_t>(value.i);
      break;
    case DataType::boolean:
      at<uint8_t>(data, element) = value.i != 0;
      break;
  }
}

// The bodies are one line each: `r` are the registers, `i` the instruction.
#define ALTRT_BINARY(name, field, expression)      \
  case Op::name: {                                 \
    const auto a = r[i.a].field, b = r[i.b].field; \
    r[i.to].field = (expression);                  \
    break;                                         \
  }
#define ALTRT_COMPARE(name, field, expression)     \
  case Op::name: {                                 \
    const auto a = r[i.a].field, b = r[i.b].field; \
    r[i.to].i = (expression);                      \
    break;                                         \
  }
#define ALTRT_CONVERT(name, from, field, expression) \
  case Op::name: {                                   \
    const auto a = r[i.a].from;                      \
    r[i.to].field = (expression);                    \
    break;                                           \
  }
#define ALTRT_FLOATS(type, field)                                             \
  ALTRT_BINARY(add_##type, field, a + b)                                      \
  ALTRT_BINARY(sub_##type, field, a - b)                                      \
  ALTRT_BINARY(mul_##type, field, a* b)                                       \
  ALTRT_BINARY(div_##type, field, a / b)                                      \
  ALTRT_BINARY(min_##type, field, nan_min(a, b))                              \
  ALTRT_BINARY(max_##type, field, nan_max(a, b))                              \
  ALTRT_COMPARE(eq_##type, field, a == b)                                     \
  ALTRT_COMPARE(ne_##type, field, a != b)                                     \
  ALTRT_COMPARE(lt_##type, field, a < b)                                      \
  ALTRT_COMPARE(le_##type, field, a <= b)                                     \
  ALTRT_CONVERT(neg_##type, field, field, -a)                                 \
  ALTRT_CONVERT(abs_##type, field, field, std::fabs(a))                       \
  ALTRT_CONVERT(sqrt_##type, field, field, std::sqrt(a))                      \
  ALTRT_CONVERT(floor_##type, field, field, std::floor(a))                    \
  ALTRT_CONVERT(ceil_##type, field, field, std::ceil(a))                      \
  ALTRT_CONVERT(round_##type, field, field, std::nearbyint(a))                \
  case Op::fma_##type:                                                        \
    r[i.to].field = std::fma(r[i.a].field, r[i.b].field, r[i.c].field);       \
    break;                                                                    \
  case Op::call_##type:                                                       \
    r[i.to].field = apply(functions_[i.id], i.c, r[i.a].field, r[i.b].field); \
    break;

// One switch over the whole instruction set: splitting it would hide its completeness.
void Program::run(Value* r, const std::vector<Binding>& bindings, int first_changed) const {
  const Instruction* const code = code_.data();
  const auto end = static_cast<int32_t>(code_.size());
  for (int32_t pc = sections_[first_changed + 1]; pc < end; ++pc) {
    const Instruction& i = code[pc];
    switch (i.op) {
      ALTRT_FLOATS(f32, f)
      ALTRT_FLOATS(f64, d)
      ALTRT_BINARY(add_int, i, wrapping_add(a, b))
      ALTRT_BINARY(sub_int, i, wrapping_sub(a, b))
      ALTRT_BINARY(mul_int, i, wrapping_mul(a, b))
      ALTRT_BINARY(div_int, i, truncating_div(a, b))
      ALTRT_BINARY(min_int, i, b < a ? b : a)
      ALTRT_BINARY(max_int, i, a < b ? b : a)
      ALTRT_BINARY(floor_div, i, floored_div(a, b))
      ALTRT_BINARY(floor_mod, i, floored_mod(a, b))
      ALTRT_BINARY(shift_left, i, static_cast<int64_t>(static_cast<uint64_t>(a) << b))
      ALTRT_BINARY(shift_right, i, a >> b)
      ALTRT_BINARY(eq_int, i, a == b)
      ALTRT_BINARY(ne_int, i, a != b)
      ALTRT_BINARY(lt_int, i, a < b)
      ALTRT_BINARY(le_int, i, a <= b)
      ALTRT_BINARY(logical_and, i, a & b)
      ALTRT_BINARY(logical_or, i, a | b)
      ALTRT_CONVERT(logical_not, i, i, !a)
      ALTRT_CONVERT(neg_int, i, i, wrapping_sub(0, a))
      ALTRT_CONVERT(abs_int, i, i, a < 0 ? wrapping_sub(0, a) : a)
      ALTRT_CONVERT(wrap, i, i, jit::wrap(i.type, a))
      ALTRT_CONVERT(f32_to_f64, f, d, static_cast<double>(a))
      ALTRT_CONVERT(f64_to_f32, d, f, static_cast<float>(a))
      ALTRT_CONVERT(f32_to_int, f, i, float_to_int(i.type, a))
      ALTRT_CONVERT(f64_to_int, d, i, float_to_int(i.type, a))
      ALTRT_CONVERT(int_to_f32, i, f, static_cast<float>(a))
      ALTRT_CONVERT(int_to_f64, i, d, static_cast<double>(a))
      ALTRT_CONVERT(bits_f32_to_int, f, i, bits_as<int32_t>(a))
      ALTRT_CONVERT(bits_int_to_f32, i, f, bits_as<float>(static_cast<int32_t>(a)))
      case Op::copy:
        r[i.to] = r[i.a];
        break;
      case Op::select:
        r[i.to] = r[r[i.a].i ? i.b : i.c];
        break;
      case Op::jump:
        pc = i.b - 1;
        break;
      case Op::jump_if_false:
        if (!r[i.a].i) pc = i.b - 1;
        break;
      case Op::load:
        r[i.to] = load_at(bindings[i.id], r, index_registers_.data() + i.b, i.c);
        break;
      case Op::table:
        r[i.to] = look_up(*tables_[i.id], i.type, r[i.a].i);
        break;
      case Op::call_int:
        r[i.to].i = apply(functions_[i.id], i.c, r[i.a].i, r[i.b].i);
        break;
    }
  }
}

}  // namespace altrt::jit
