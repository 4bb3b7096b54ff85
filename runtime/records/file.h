// The frame that all files of the cache share, and how they are read and written so that a crash, a full disk or a
// stranger leaves either a whole file or a miss. Nothing here throws because of a file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "runtime/base/buffer.h"

namespace altrt::records {

/// A change of what any file means makes every older file a miss.
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kHeaderBytes = 64;

enum class Kind : uint32_t { records = 1, trial_log = 2, bundle = 3 };
const char* to_string(Kind kind);

/// Whether a file may hold code: then it and its folder must belong to the user and be writable by nobody else.
enum class Trust : uint8_t { data, code };

/// A file's payload, 64-byte aligned; `trouble` says in one line why there is none. Neither: there is no such file.
struct FileContent {
  std::optional<base::AlignedBuffer> file;  // header and payload
  size_t bytes = 0;                         // of the payload
  std::string trouble;

  std::span<const uint8_t> payload() const {
    return file ? std::span(file->as<uint8_t>() + kHeaderBytes, bytes) : std::span<const uint8_t>();
  }
};

/// Magic, version, kind, size and XXH3 checksum before a payload.
std::string frame(Kind kind, std::span<const uint8_t> payload);
/// "" or what is wrong with the frame (found -> expected). `whole` is the file's beginning; it must hold the frame and
/// all of its payload, and may go on only where `more` allows it.
std::string check_frame(std::span<const uint8_t> whole, Kind kind, bool more = false);
/// Size of the payload that a frame announces. Requires kHeaderBytes bytes.
uint64_t framed_bytes(std::span<const uint8_t> whole);

/// Reads a whole file and checks its frame. Links are not followed.
FileContent read_file(const std::string& path, Kind kind, Trust trust);
/// Reads without checking the frame, for files that grow.
FileContent read_raw(const std::string& path, Trust trust);

/// Replaces a file in one step: temporary file beside it, fsync, rename, fsync of the folder. "" or what went wrong;
/// then the old file is untouched.
std::string write_file(const std::string& path, Kind kind, std::span<const uint8_t> payload);

/// All bytes to a descriptor; "" or what went wrong. Beyond the process's file size limit it fails without a signal.
std::string write_all(int descriptor, std::span<const uint8_t> bytes);

/// "No space left on device"
std::string system_message(int error);

/// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }
  int release() {
    const int number = number_;
    number_ = -1;
    return number;
  }

 private:
  int number_;
};

}  // namespace altrt::records
