// The instruction set of programs; private to program*.cc.
#pragma once

#include "jit/expr/program.h"

namespace altrt::jit {

enum class Program::Op : uint8_t {
  // to = a op b, by type class: f32, f64, or 64-bit integers (narrow results are reduced by a `wrap` that follows)
  add_f32,
  sub_f32,
  mul_f32,
  div_f32,
  min_f32,
  max_f32,
  add_f64,
  sub_f64,
  mul_f64,
  div_f64,
  min_f64,
  max_f64,
  add_int,
  sub_int,
  mul_int,
  div_int,
  min_int,
  max_int,
  floor_div,
  floor_mod,
  shift_left,
  shift_right,
  eq_f32,
  ne_f32,
  lt_f32,
  le_f32,
  eq_f64,
  ne_f64,
  lt_f64,
  le_f64,
  eq_int,
  ne_int,
  lt_int,
  le_int,
  logical_and,
  logical_or,
  logical_not,
  neg_f32,
  abs_f32,
  sqrt_f32,
  floor_f32,
  ceil_f32,
  round_f32,
  neg_f64,
  abs_f64,
  sqrt_f64,
  floor_f64,
  ceil_f64,
  round_f64,
  neg_int,
  abs_int,
  fma_f32,
  fma_f64,
  wrap,  // to = a reduced to `type`
  f32_to_f64,
  f64_to_f32,
  f32_to_int,
  f64_to_int,
  int_to_f32,
  int_to_f64,
  bits_f32_to_int,
  bits_int_to_f32,
  copy,    // copy also serves 64-bit bit casts
  select,  // to = a ? b : c
  jump,
  jump_if_false,  // to instruction b; the condition is a
  load,           // to = binding id at index_registers_[b ...]
  table,          // to = table id at a
  call_f32,
  call_f64,
  call_int  // to = functions_[id](a) or (a, b); c is the arity
};

}  // namespace altrt::jit
