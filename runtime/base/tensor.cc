#include <altrt/error.h>
#include <altrt/tensor.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "runtime/base/buffer.h"
#include "runtime/base/deferred.h"

namespace altrt {

size_t size_of(DataType type) noexcept {
  switch (type) {
    case DataType::f32:
    case DataType::i32:
      return 4;
    case DataType::f64:
    case DataType::i64:
      return 8;
    case DataType::i8:
    case DataType::u8:
    case DataType::boolean:
      return 1;
  }
  return 1;
}

const char* to_string(Device device) noexcept {
  switch (device) {
    case Device::cpu:
      return "cpu";
    case Device::cuda:
      return "cuda";
    case Device::automatic:
      return "automatic";
  }
  return "?";
}

const char* to_string(DataType type) noexcept {
  switch (type) {
    case DataType::f32:
      return "f32";
    case DataType::f64:
      return "f64";
    case DataType::i64:
      return "i64";
    case DataType::i32:
      return "i32";
    case DataType::i8:
      return "i8";
    case DataType::u8:
      return "u8";
    case DataType::boolean:
      return "bool";
  }
  return "?";
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  bool empty = false;
  for (const int64_t extent : shape) {
    if (extent < 0) throw Error(ErrorCode::out_of_memory, "negative extent in the shape " + to_string(shape));
    empty |= extent == 0;
  }
  if (empty) return 0;
  for (const int64_t extent : shape) {
    if (__builtin_mul_overflow(count, extent, &count)) {
      throw Error(ErrorCode::out_of_memory, "the shape " + to_string(shape) + " has too many elements");
    }
  }
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

namespace {

size_t byte_count(DataType type, const Shape& shape) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<size_t>(element_count(shape)), size_of(type), &bytes) ||
      bytes > SIZE_MAX / 2) {
    throw Error(ErrorCode::out_of_memory, "a tensor of shape " + to_string(shape) + " is too large");
  }
  return bytes;
}

}  // namespace

Tensor::Tensor(DataType type, Shape shape) : Tensor(uninitialized(type, std::move(shape))) {
  std::memset(data_, 0, bytes_);
}

Tensor Tensor::uninitialized(DataType type, Shape shape) {
  Tensor tensor;
  tensor.type_ = type;
  tensor.shape_ = std::move(shape);
  tensor.bytes_ = byte_count(type, tensor.shape_);
  tensor.data_ = base::allocate_with_slack(tensor.bytes_);
  if (!tensor.data_) {
    throw Error(ErrorCode::out_of_memory, "cannot allocate a tensor of shape " + to_string(tensor.shape_));
  }
  return tensor;
}

Tensor::Tensor(const Tensor& other) {
  if (!other.data_ && !other.deferred_) return;
  Tensor copy = uninitialized(other.type_, other.shape_);
  if (other.deferred_) {
    other.deferred_->read(copy.data_, 0, other.bytes_);
  } else {
    std::memcpy(copy.data_, other.data_, other.bytes_);
  }
  *this = std::move(copy);
}

Tensor::Tensor(Tensor&& other) noexcept
    : type_(other.type_),
      shape_(std::exchange(other.shape_, Shape{0})),
      bytes_(std::exchange(other.bytes_, 0)),
      data_(std::exchange(other.data_, nullptr)),
      deferred_(std::move(other.deferred_)) {}

Tensor& Tensor::operator=(Tensor other) noexcept {
  std::swap(type_, other.type_);
  std::swap(shape_, other.shape_);
  std::swap(bytes_, other.bytes_);
  std::swap(data_, other.data_);
  std::swap(deferred_, other.deferred_);
  return *this;
}

Tensor::~Tensor() { std::free(data_); }

const void* Tensor::fetched() const { return deferred_->data(); }

void Tensor::own() { *this = Tensor(*this); }

namespace base {

Tensor deferred_tensor(DataType type, const Shape& shape, std::shared_ptr<DeferredBytes> bytes) {
  Tensor tensor;
  tensor.type_ = type;
  tensor.shape_ = shape;
  tensor.bytes_ = byte_count(type, shape);
  tensor.deferred_ = std::move(bytes);
  return tensor;
}

DeferredBytes* deferred_bytes(const Tensor& tensor) { return tensor.deferred_.get(); }

}  // namespace base

}  // namespace altrt
