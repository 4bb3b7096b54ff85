#include "npy.h"

#include <altrt/error.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "zip.h"

namespace altrt::npy {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorCode::invalid_argument, where + ": " + message);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) throw Error(ErrorCode::io, "cannot read " + path);
  return std::move(text).str();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw Error(ErrorCode::io, "cannot write " + path);
}

const char* descr(DataType type) {
  switch (type) {
    case DataType::f32:
      return "<f4";
    case DataType::f64:
      return "<f8";
    case DataType::i64:
      return "<i8";
    case DataType::i32:
      return "<i4";
    case DataType::i8:
      return "|i1";
    case DataType::u8:
      return "|u1";
    case DataType::boolean:
      return "|b1";
  }
  return "";
}

std::optional<DataType> type_of(std::string_view name) {
  for (const DataType type :
       {DataType::f32, DataType::f64, DataType::i64, DataType::i32, DataType::i8, DataType::u8, DataType::boolean}) {
    const std::string_view known = descr(type);
    if (name == known || (name.size() == 3 && size_of(type) == 1 && name.substr(1) == known.substr(1))) return type;
  }
  return std::nullopt;
}

// The header is the text of a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
struct Header {
  std::string where;
  std::string text;

  // What follows "'key':", without leading blanks.
  std::string_view value(const std::string& key) const {
    const size_t at = text.find("'" + key + "'");
    const size_t colon = at == std::string::npos ? at : text.find(':', at);
    const size_t begin = colon == std::string::npos ? colon : text.find_first_not_of(" \t", colon + 1);
    if (begin == std::string::npos) fail(where, "the .npy header has no field '" + key + "'");
    return std::string_view(text).substr(begin);
  }

  DataType type() const {
    const std::string_view rest = value("descr");
    const size_t end = rest.find('\'', 1);
    if (rest[0] != '\'' || end == std::string_view::npos) fail(where, "structured arrays are not supported");
    const std::string name(rest.substr(1, end - 1));
    const std::optional<DataType> type = type_of(name);
    if (!type) fail(where, "element type '" + name + "' is not supported (f4, f8, i8, i4, i1, u1, b1, little-endian)");
    return *type;
  }

  bool fortran_order() const {
    const std::string_view rest = value("fortran_order");
    if (rest.starts_with("True")) return true;
    if (!rest.starts_with("False")) fail(where, "bad field 'fortran_order' in the .npy header");
    return false;
  }

  Shape shape() const {
    const std::string_view rest = value("shape");
    const size_t end = rest.find(')');
    if (rest[0] != '(' || end == std::string_view::npos) fail(where, "bad field 'shape' in the .npy header");
    Shape shape;
    std::istringstream list(std::string(rest.substr(1, end - 1)));
    for (std::string item; std::getline(list, item, ',');) {
      if (item.find_first_not_of(' ') == std::string::npos) continue;
      char* stop = nullptr;
      const long long extent = std::strtoll(item.c_str(), &stop, 10);
      if (*stop != '\0' || extent < 0) fail(where, "bad field 'shape' in the .npy header");
      shape.push_back(extent);
    }
    if (shape.size() > 64) fail(where, "more than 64 dimensions");
    return shape;
  }
};

void copy_fortran(const char* from, const Tensor& like, void* to) {
  const size_t width = size_of(like.type());
  const Shape& shape = like.shape();
  Shape index(shape.size(), 0);
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = 1; d < shape.size(); ++d) strides[d] = strides[d - 1] * shape[d - 1];
  const int64_t count = element_count(shape);
  for (int64_t i = 0; i < count; ++i) {
    int64_t offset = 0;
    for (size_t d = 0; d < shape.size(); ++d) offset += index[d] * strides[d];
    std::memcpy(static_cast<char*>(to) + static_cast<size_t>(i) * width, from + static_cast<size_t>(offset) * width,
                width);
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) index[d] = 0;
  }
}

}  // namespace

Tensor parse(const void* data, size_t size, const std::string& where) {
  const std::string_view bytes(static_cast<const char*>(data), size);
  if (!bytes.starts_with(kMagic) || size < 10) fail(where, "not a .npy array");
  const int major = static_cast<unsigned char>(bytes[6]);
  const size_t length_bytes = major == 1 ? 2 : 4;
  const size_t begin = 8 + length_bytes;
  if (major < 1 || major > 3 || size < begin) fail(where, ".npy format " + std::to_string(major) + " is not supported");
  size_t length = 0;
  for (size_t i = length_bytes; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[8 + i]);
  if (size - begin < length) fail(where, "the .npy header is cut off");
  const Header header{where, std::string(bytes.substr(begin, length))};
  const DataType type = header.type();
  const Shape shape = header.shape();
  const size_t content = size - begin - length;
  const int64_t count = element_count(shape);
  if (static_cast<uint64_t>(count) != content / size_of(type) || content % size_of(type) != 0) {
    fail(where, "shape " + to_string(shape) + " of " + to_string(type) + " does not fit " + std::to_string(content) +
                    " bytes of data");
  }
  Tensor tensor(type, shape);
  const char* from = bytes.data() + begin + length;
  if (header.fortran_order()) {
    copy_fortran(from, tensor, tensor.data());
  } else if (content > 0) {
    std::memcpy(tensor.data(), from, content);
  }
  return tensor;
}

Tensor read(const std::string& path) {
  const std::string bytes = read_file(path);
  return parse(bytes.data(), bytes.size(), path);
}

std::string format(const TensorView& array) {
  std::string header = std::string("{'descr': '") + descr(array.type) + "', 'fortran_order': False, 'shape': (";
  for (const int64_t extent : array.shape) header += std::to_string(extent) + ", ";
  header += "), }";
  const size_t unpadded = kMagic.size() + 4 + header.size() + 1;
  header.append((64 - unpadded % 64) % 64, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += {1, 0, static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  bytes += header;
  bytes.append(static_cast<const char*>(array.data), array.bytes());
  return bytes;
}

void write(const std::string& path, const TensorView& array) { write_file(path, format(array)); }

std::map<std::string, Tensor> parse_npz(const void* data, size_t size, const std::string& where) {
  std::map<std::string, Tensor> arrays;
  for (const zip::Member& member : zip::members({static_cast<const char*>(data), size}, where)) {
    std::string name = member.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    Tensor array = parse(member.content.data(), member.content.size(), where + ": member '" + member.name + "'");
    if (!arrays.emplace(name, std::move(array)).second) fail(where, "two members are called '" + member.name + "'");
  }
  return arrays;
}

std::map<std::string, Tensor> read_npz(const std::string& path) {
  const std::string bytes = read_file(path);
  return parse_npz(bytes.data(), bytes.size(), path);
}

void write_npz(const std::string& path, const std::map<std::string, TensorView>& arrays) {
  std::map<std::string, std::string> files;
  for (const auto& [name, array] : arrays) files[name + ".npy"] = format(array);
  write_file(path, zip::archive(files));
}

}  // namespace altrt::npy
