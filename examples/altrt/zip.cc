#include "zip.h"

#include <altrt/error.h>

#include <algorithm>
#include <array>

namespace altrt::npy::zip {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kMax32 = 0xffffffff;
constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20;

// Bounds-checked little-endian fields of an archive.
struct Reader {
  std::string_view bytes;
  const std::string& where;

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::invalid_argument, where + ": " + message);
  }
  std::string_view slice(uint64_t at, uint64_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) fail("not a zip archive, or cut off");
    return bytes.substr(at, size);
  }
  uint64_t number(uint64_t at, int width) const {
    const std::string_view field = slice(at, static_cast<uint64_t>(width));
    uint64_t value = 0;
    for (int i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(field[static_cast<size_t>(i)]);
    return value;
  }
};

struct Directory {
  uint64_t offset = 0;
  uint64_t count = 0;
};

Directory find_directory(const Reader& reader) {
  const size_t size = reader.bytes.size();
  // The end record is followed by a comment of at most 65,535 bytes.
  for (size_t back = kEndBytes; back <= std::min(size, kEndBytes + 0xffff); ++back) {
    const size_t at = size - back;
    if (reader.number(at, 4) != kEnd) continue;
    Directory directory{reader.number(at + 16, 4), reader.number(at + 10, 2)};
    if (at >= kLocator64Bytes && reader.number(at - kLocator64Bytes, 4) == kLocator64) {
      const uint64_t end64 = reader.number(at - kLocator64Bytes + 8, 8);
      reader.slice(end64, kEnd64Bytes);
      if (reader.number(end64, 4) != kEnd64) reader.fail("bad zip64 end record");
      directory = {reader.number(end64 + 48, 8), reader.number(end64 + 32, 8)};
    }
    return directory;
  }
  reader.fail("not a zip archive (.npz), or cut off");
}

struct Entry {
  std::string name;
  uint64_t stored_size = 0, size = 0, local = 0, next = 0;
  uint32_t crc = 0;
};

Entry read_entry(const Reader& reader, uint64_t at) {
  if (reader.number(at, 4) != kCentral) reader.fail("bad zip directory");
  const uint64_t name_size = reader.number(at + 28, 2), extra_size = reader.number(at + 30, 2);
  Entry entry;
  entry.name = reader.slice(at + kCentralBytes, name_size);
  const std::string what = "member '" + entry.name + "' ";
  if (reader.number(at + 8, 2) & 1) reader.fail(what + "is encrypted");
  if (reader.number(at + 10, 2) != 0) reader.fail(what + "is compressed; write the file with numpy.savez");
  entry.crc = static_cast<uint32_t>(reader.number(at + 16, 4));
  entry.stored_size = reader.number(at + 20, 4);
  entry.size = reader.number(at + 24, 4);
  entry.local = reader.number(at + 42, 4);
  // A zip64 field holds, in this order, those of the sizes and the offset that did not fit.
  const uint64_t extra = at + kCentralBytes + name_size;
  for (uint64_t field = extra; field + 4 <= extra + extra_size;) {
    uint64_t value = field + 4;
    if (reader.number(field, 2) == 1) {
      for (uint64_t* wide : {&entry.size, &entry.stored_size, &entry.local}) {
        if (*wide != kMax32) continue;
        *wide = reader.number(value, 8);
        value += 8;
      }
    }
    field += 4 + reader.number(field + 2, 2);
  }
  entry.next = extra + extra_size + reader.number(at + 32, 2);
  return entry;
}

void append(std::string& to, uint64_t value, int width) {
  for (int i = 0; i < width; ++i) to += static_cast<char>(value >> (8 * i) & 0xff);
}

// The fields that local and central headers share, from "version needed" on.
void append_common(std::string& to, const std::string& name, const std::string& content) {
  constexpr uint64_t kVersion = 20, kFlags = 0, kStored = 0, kTime = 0, kDate = 0x21;  // 1 January 1980
  for (const uint64_t field : {kVersion, kFlags, kStored, kTime, kDate}) append(to, field, 2);
  append(to, crc32(content), 4);
  append(to, content.size(), 4);
  append(to, content.size(), 4);
  append(to, name.size(), 2);
  append(to, 0, 2);
}

}  // namespace

uint32_t crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
      made[i] = value;
    }
    return made;
  }();
  uint32_t crc = 0xffffffffu;
  for (const char byte : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

std::vector<Member> members(std::string_view archive, const std::string& where) {
  const Reader reader{archive, where};
  const Directory directory = find_directory(reader);
  std::vector<Member> result;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.count; ++i) {
    const Entry entry = read_entry(reader, at);
    const std::string what = "member '" + entry.name + "' ";
    if (entry.size != entry.stored_size) reader.fail(what + "has contradicting sizes");
    reader.slice(entry.local, kLocalBytes);
    if (reader.number(entry.local, 4) != kLocal) reader.fail(what + "has no local header");
    const uint64_t begin =
        entry.local + kLocalBytes + reader.number(entry.local + 26, 2) + reader.number(entry.local + 28, 2);
    const std::string_view content = reader.slice(begin, entry.size);
    if (crc32(content) != entry.crc) reader.fail(what + "is damaged (CRC)");
    result.push_back({entry.name, content});
    at = entry.next;
  }
  return result;
}

std::string archive(const std::map<std::string, std::string>& files) {
  std::string bytes, central;
  for (const auto& [name, content] : files) {
    if (name.size() > 0xffff || bytes.size() + content.size() >= kMax32 - 0x10000) {
      throw Error(ErrorCode::invalid_argument, "too much for one .npz file: '" + name + "'");
    }
    append(central, kCentral, 4);
    append(central, 20, 2);
    append_common(central, name, content);
    for (const int width : {2, 2, 2, 4}) append(central, 0, width);  // comment, disk, attributes
    append(central, bytes.size(), 4);
    central += name;
    append(bytes, kLocal, 4);
    append_common(bytes, name, content);
    bytes += name;
    bytes += content;
  }
  const uint64_t offset = bytes.size();
  bytes += central;
  append(bytes, kEnd, 4);
  append(bytes, 0, 4);
  append(bytes, files.size(), 2);
  append(bytes, files.size(), 2);
  append(bytes, central.size(), 4);
  append(bytes, offset, 4);
  append(bytes, 0, 2);
  return bytes;
}

}  // namespace altrt::npy::zip
