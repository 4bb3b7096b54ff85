// Short ways to write nests by hand.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "jit/loop/nest.h"

namespace altrt::jit::build {

using Block = std::vector<Stmt>;

inline Stmt loop(std::string name, Expr extent, LoopKind kind, Block body) {
  Stmt s;
  s.kind = StmtKind::loop;
  s.name = std::move(name);
  s.extent = std::move(extent);
  s.loop = kind;
  s.body = std::move(body);
  return s;
}
inline Stmt serial(std::string name, Expr extent, Block body) {
  return loop(std::move(name), std::move(extent), LoopKind::serial, std::move(body));
}
inline Stmt vector(std::string name, Expr extent, Block body) {
  return loop(std::move(name), std::move(extent), LoopKind::vector, std::move(body));
}
inline Stmt unrolled(std::string name, Expr extent, Block body) {
  return loop(std::move(name), std::move(extent), LoopKind::unrolled, std::move(body));
}
inline Stmt store(int buffer, Exprs indices, Expr value) {
  Stmt s;
  s.kind = StmtKind::store;
  s.buffer = buffer;
  s.indices = std::move(indices);
  s.value = std::move(value);
  return s;
}
inline Stmt let(std::string name, Expr value, Block body) {
  Stmt s;
  s.kind = StmtKind::let;
  s.name = std::move(name);
  s.value = std::move(value);
  s.body = std::move(body);
  return s;
}
inline Stmt if_then(Expr condition, Block body, Block otherwise = {}) {
  Stmt s;
  s.kind = StmtKind::if_then;
  s.value = std::move(condition);
  s.body = std::move(body);
  s.otherwise = std::move(otherwise);
  return s;
}
inline Stmt allocate(int buffer, Block body) {
  Stmt s;
  s.kind = StmtKind::allocate;
  s.buffer = buffer;
  s.body = std::move(body);
  return s;
}

/// Adds a buffer and returns its number; arguments are numbered in the order of the calls.
inline int add_buffer(Nest* nest, std::string name, DataType type, std::vector<int64_t> shape, bool written = false,
                      Scope scope = Scope::argument) {
  Buffer b;
  b.name = std::move(name);
  b.type = type;
  b.shape = std::move(shape);
  b.scope = scope;
  b.written = written || scope != Scope::argument;
  if (scope == Scope::argument) {
    b.argument = 0;
    for (const Buffer& other : nest->buffers) b.argument += other.scope == Scope::argument;
  }
  nest->buffers.push_back(std::move(b));
  return static_cast<int>(nest->buffers.size()) - 1;
}

inline Expr at(const Nest& nest, int buffer, Exprs indices) {
  return access(buffer, nest.buffers[buffer].type, std::move(indices));
}

}  // namespace altrt::jit::build
