// Element types, shapes and non-owning tensor views: what crosses the border between a host program and libaltrt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <altrt/export.h>

namespace altrt {

/// Element type of a tensor. Numbers are stable (they are written to cache files).
enum class DataType : uint8_t { f32 = 0, f64 = 1, i64 = 2, i32 = 3, i8 = 4, u8 = 5, boolean = 6 };

/// Bytes per element. A boolean takes one byte that is 0 or 1.
ALTRT_API size_t size_of(DataType type) noexcept;
/// "f32", "i64", "bool", ...
ALTRT_API const char* to_string(DataType type) noexcept;

/// Where a session runs and where memory lies. `cuda`: an NVIDIA GPU. `automatic` is a wish only: cuda if it can be
/// used, else cpu.
enum class Device : uint8_t { cpu, cuda, automatic };
/// "cpu", "cuda", "automatic"
ALTRT_API const char* to_string(Device device) noexcept;

/// Extents, outermost first; row-major. A scalar has rank 0.
using Shape = std::vector<int64_t>;

/// Product of the extents (1 for a scalar). Throws Error(out_of_memory) on overflow or on a negative extent.
ALTRT_API int64_t element_count(const Shape& shape);
/// "[1, 3, 224, 224]"
ALTRT_API std::string to_string(const Shape& shape);

template <typename T>
struct DataTypeOf;
template <>
struct DataTypeOf<float> {
  static constexpr DataType value = DataType::f32;
};
template <>
struct DataTypeOf<double> {
  static constexpr DataType value = DataType::f64;
};
template <>
struct DataTypeOf<int64_t> {
  static constexpr DataType value = DataType::i64;
};
template <>
struct DataTypeOf<int32_t> {
  static constexpr DataType value = DataType::i32;
};
template <>
struct DataTypeOf<int8_t> {
  static constexpr DataType value = DataType::i8;
};
template <>
struct DataTypeOf<uint8_t> {
  static constexpr DataType value = DataType::u8;
};
template <>
struct DataTypeOf<bool> {
  static constexpr DataType value = DataType::boolean;
};

/// A dense row-major tensor in memory that somebody else owns. Copying a view copies no data.
struct TensorView {
  void* data = nullptr;  ///< Inputs are never written through it.
  DataType type = DataType::f32;
  Shape shape;
  /// Where the memory lies: cpu, which is any memory that the host can read, or cuda: allocated in the primary context
  /// of the session's device (cudaMalloc does), 16-byte aligned; for contexts of sessions on that device only.
  Device device = Device::cpu;

  TensorView() = default;
  TensorView(void* data_in, DataType type_in, Shape shape_in, Device device_in = Device::cpu)
      : data(data_in), type(type_in), shape(std::move(shape_in)), device(device_in) {}
  template <typename T>
  TensorView(T* data_in, Shape shape_in, Device device_in = Device::cpu)
      : TensorView(data_in, DataTypeOf<T>::value, std::move(shape_in), device_in) {}
  template <typename T>
  TensorView(const T* data_in, Shape shape_in, Device device_in = Device::cpu)
      : TensorView(const_cast<T*>(data_in), std::move(shape_in), device_in) {}

  size_t bytes() const { return static_cast<size_t>(element_count(shape)) * size_of(type); }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

class Tensor;

namespace base {

class DeferredBytes;
Tensor deferred_tensor(DataType type, const Shape& shape, std::shared_ptr<DeferredBytes> bytes);
DeferredBytes* deferred_bytes(const Tensor& tensor);

}  // namespace base

/// A dense row-major tensor that owns its memory (64-byte aligned). Movable; copying copies the data.
///
/// Large weights of a model file take memory only when somebody asks for their data (thread-safe). That throws
/// Error(io) if the file cannot be read any more or was changed since the model was loaded.
class ALTRT_API Tensor {
 public:
  Tensor() = default;
  /// Zero-filled. Error(out_of_memory).
  Tensor(DataType type, Shape shape);
  /// With contents left to chance, for who writes all of it. Error(out_of_memory).
  static Tensor uninitialized(DataType type, Shape shape);
  Tensor(const Tensor& other);
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor other) noexcept;
  ~Tensor();

  DataType type() const noexcept { return type_; }
  const Shape& shape() const noexcept { return shape_; }
  size_t bytes() const noexcept { return bytes_; }
  void* data() {
    if (deferred_) own();
    return data_;
  }
  const void* data() const { return deferred_ ? fetched() : data_; }
  template <typename T>
  T* as() {
    return static_cast<T*>(data());
  }
  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data());
  }
  /// Valid as long as this tensor lives and is not assigned to.
  TensorView view() const { return TensorView(const_cast<void*>(data()), type_, shape_); }

 private:
  friend Tensor base::deferred_tensor(DataType type, const Shape& shape, std::shared_ptr<base::DeferredBytes> bytes);
  friend base::DeferredBytes* base::deferred_bytes(const Tensor& tensor);
  const void* fetched() const;
  void own();

  DataType type_ = DataType::f32;
  Shape shape_{0};
  size_t bytes_ = 0;
  void* data_ = nullptr;
  std::shared_ptr<base::DeferredBytes> deferred_;  // has the data in place of data_
};

}  // namespace altrt
