// Reading and writing of numpy's .npy and .npz files, for inputs, outputs and references.
#pragma once

#include <altrt/tensor.h>

#include <cstddef>
#include <map>
#include <string>

namespace altrt::npy {

/// One array. Types: f4, f8, i8, i4, i1, u1, b1, little-endian; Fortran order is turned into row-major order.
/// altrt::Error(io) if the file can't be read, Error(invalid_argument) naming file and field if it is not such an
/// array.
Tensor read(const std::string& path);
/// The same from memory; `where` stands for the file in messages.
Tensor parse(const void* data, size_t size, const std::string& where);
/// The bytes of the .npy file of an array (format 1.0).
std::string format(const TensorView& array);
/// Error(io).
void write(const std::string& path, const TensorView& array);

/// All arrays of a zip file by name without ".npy", as numpy.savez writes them (members stored). Members compressed by
/// savez_compressed and damaged ones (CRC) are refused with Error(invalid_argument).
std::map<std::string, Tensor> read_npz(const std::string& path);
std::map<std::string, Tensor> parse_npz(const void* data, size_t size, const std::string& where);
/// Error(io).
void write_npz(const std::string& path, const std::map<std::string, TensorView>& arrays);

}  // namespace altrt::npy
