// Runs hand-made nests as machine code on memory between guard pages.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "jit/cpu/cpu.h"
#include "jit/loop/interpret.h"
#include "runtime/base/buffer.h"
#include "tests/jit_loop/build.h"

namespace altrt::jit {

/// Kernels that this machine can run: 512-bit and 256-bit vectors where it has AVX-512, and AVX2 code without AVX-512
/// instructions; 128-bit vectors of all of them.
inline std::vector<Target> runnable_targets() {
  std::vector<Target> targets;
  const Target host = host_target();
  for (int lanes = host.lanes; lanes >= 4; lanes /= 2) {
    targets.push_back(host);
    targets.back().lanes = lanes;
  }
  if (host.lanes == 16) targets.push_back(named_target("avx2"));
  return targets;
}

inline uint64_t test_seed() {
  const char* text = std::getenv("ALTRT_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 20240601;
}

/// The contents of one argument. Values go in and out as doubles; the memory holds the type.
class Argument {
 public:
  Argument(DataType type, int64_t elements, base::GuardedBuffer::Side side)
      : type_(type), elements_(elements), memory_(static_cast<size_t>(elements) * size_of(type), side, size_of(type)) {}

  void set(int64_t i, double v) {
    switch (type_) {
      case DataType::f32:
        memory_.as<float>()[i] = static_cast<float>(v);
        break;
      case DataType::f64:
        memory_.as<double>()[i] = v;
        break;
      case DataType::i64:
        memory_.as<int64_t>()[i] = static_cast<int64_t>(v);
        break;
      case DataType::i32:
        memory_.as<int32_t>()[i] = static_cast<int32_t>(v);
        break;
      default:
        memory_.as<uint8_t>()[i] = static_cast<uint8_t>(static_cast<int>(v));
    }
  }
  double get(int64_t i) {
    switch (type_) {
      case DataType::f32:
        return memory_.as<float>()[i];
      case DataType::f64:
        return memory_.as<double>()[i];
      case DataType::i64:
        return static_cast<double>(memory_.as<int64_t>()[i]);
      case DataType::i32:
        return memory_.as<int32_t>()[i];
      case DataType::i8:
        return memory_.as<int8_t>()[i];
      default:
        return memory_.as<uint8_t>()[i];
    }
  }
  template <typename T>
  T* as() {
    return memory_.as<T>();
  }
  int64_t elements() const { return elements_; }
  base::GuardedBuffer& memory() { return memory_; }

 private:
  DataType type_;
  int64_t elements_;
  base::GuardedBuffer memory_;
};

/// One compiled nest (buffers: arguments first) with memory for its arguments: inputs small integers, outputs -77
/// everywhere.
class Compiled {
 public:
  Compiled(const Nest& nest, const KernelObject& object,
           base::GuardedBuffer::Side side = base::GuardedBuffer::Side::after)
      : nest_(nest), kernel_(cpu::load({object})[0]), workspace_(static_cast<size_t>(object.workspace_bytes)) {
    std::mt19937_64 random(test_seed());
    for (const Buffer& buffer : nest.buffers) {
      if (buffer.scope != Scope::argument) continue;
      arguments_.push_back(std::make_unique<Argument>(buffer.type, buffer.elements(), side));
      for (int64_t i = 0; i < buffer.elements(); ++i) {
        const double value = static_cast<double>(random() % 17) - (buffer.type == DataType::u8 ? 0 : 8);
        arguments_.back()->set(i, buffer.written ? -77 : buffer.type == DataType::boolean ? random() % 2 : value);
      }
    }
  }
  Argument& operator[](int argument) { return *arguments_[argument]; }

  /// Runs tasks [first, last); inputs can't be written meanwhile. The interpreter must agree bit for bit.
  void run(int64_t first = 0, int64_t last = -1, const std::vector<int64_t>& sizes = {}) {
    if (last < 0) last = nest_.tasks(sizes);
    std::vector<const void*> pointers;
    std::vector<std::vector<uint8_t>> copies;
    std::vector<void*> copy_pointers;
    for (auto& a : arguments_) {
      const auto* bytes = static_cast<const uint8_t*>(a->memory().data());
      pointers.push_back(bytes);
      copies.emplace_back(bytes, bytes + a->memory().size());
    }
    for (auto& c : copies) copy_pointers.push_back(c.data());
    interpret(nest_, copy_pointers, sizes, first, last);
    for (size_t i = 0; i < arguments_.size(); ++i) arguments_[i]->memory().protect(!nest_.buffers[i].written);
    kernel_->function()(pointers.data(), sizes.data(), workspace_.data(), first, last);
    for (size_t i = 0; i < arguments_.size(); ++i) {
      arguments_[i]->memory().protect(false);
      EXPECT_TRUE(arguments_[i]->memory().intact()) << nest_.name << " wrote beside " << nest_.buffers[i].name;
      EXPECT_EQ(first_difference(nest_.buffers[i], pointers[i], copies[i].data()), -1) << nest_.buffers[i].name;
    }
  }

 private:
  /// The first element that differs in its bits; any NaN equals any NaN. -1 = none.
  static int64_t first_difference(const Buffer& buffer, const void* a, const void* b) {
    const size_t size = size_of(buffer.type);
    for (int64_t i = 0; i < buffer.elements(); ++i) {
      const auto *x = static_cast<const uint8_t*>(a) + i * size, *y = static_cast<const uint8_t*>(b) + i * size;
      if (std::memcmp(x, y, size) == 0) continue;
      float f = 0, g = 0;
      if (buffer.type == DataType::f32) std::memcpy(&f, x, 4), std::memcpy(&g, y, 4);
      if (!(std::isnan(f) && std::isnan(g))) return i;
    }
    return -1;
  }

  Nest nest_;
  std::shared_ptr<LoadedKernel> kernel_;
  base::AlignedBuffer workspace_;
  std::vector<std::unique_ptr<Argument>> arguments_;
};

/// Calls check(machine) with the nest run on every target, with guard pages after and before the buffers.
template <typename Prepare, typename Check>
void on_all_targets(const Nest& nest, Prepare prepare, Check check) {
  verify(nest);
  for (const Target& target : runnable_targets()) {
    const KernelObject object = cpu::compile(nest, target);
    for (auto side : {base::GuardedBuffer::Side::after, base::GuardedBuffer::Side::before}) {
      SCOPED_TRACE(nest.name + " on " + to_string(target));
      Compiled machine(nest, object, side);
      prepare(machine);
      machine.run();
      check(machine);
      if (::testing::Test::HasFailure()) {
        ADD_FAILURE() << to_string(nest);
        return;
      }
    }
  }
}
template <typename Check>
void on_all_targets(const Nest& nest, Check check) {
  on_all_targets(
      nest, [](Compiled&) {}, check);
}

}  // namespace altrt::jit
