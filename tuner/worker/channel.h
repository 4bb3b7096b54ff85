// Messages between a tuning and its workers: frames on a Unix socket, some with a file descriptor.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace altrt::tuner {

/// Writes the fields of a message one after the other.
class Writer {
 public:
  template <typename T>
  Writer& add(const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
    append(&value, sizeof value);
    return *this;
  }
  Writer& add_bytes(std::span<const uint8_t> bytes) {
    add(static_cast<uint64_t>(bytes.size()));
    append(bytes.data(), bytes.size());
    return *this;
  }
  Writer& add_text(const std::string& text) {
    return add_bytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  void append(const void* from, size_t count) {
    const size_t at = bytes_.size();
    bytes_.resize(at + count);
    if (count > 0) std::memcpy(bytes_.data() + at, from, count);
  }

  std::vector<uint8_t> bytes_;
};

/// Reads them back; std::runtime_error where the message is too short.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  template <typename T>
  T get() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::span<const uint8_t> get_bytes() { return take(get<uint64_t>()); }
  std::string get_text() {
    const std::span<const uint8_t> bytes = get_bytes();
    return {bytes.begin(), bytes.end()};
  }

 private:
  std::span<const uint8_t> take(uint64_t count) {
    if (count > bytes_.size()) throw std::runtime_error("a message between tuner and worker is too short");
    const std::span<const uint8_t> taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }

  std::span<const uint8_t> bytes_;
};

struct Message {
  uint32_t kind = 0;
  std::vector<uint8_t> bytes;
};

/// One end of a stream socket. One thread at a time.
class Channel {
 public:
  enum class Result { done, timeout, closed };

  Channel() = default;
  explicit Channel(int socket) : socket_(socket) {}
  Channel(Channel&& other) noexcept { *this = std::move(other); }
  Channel& operator=(Channel&& other) noexcept;
  ~Channel();

  bool is_open() const { return socket_ >= 0; }
  int socket() const { return socket_; }
  /// A copy of `descriptor` travels along, if there is one. `timeout_ms` of -1 waits for ever.
  Result send(uint32_t kind, std::span<const uint8_t> bytes, int timeout_ms, int descriptor = -1);
  /// What has come of a message that has not come whole is kept for the next call.
  Result receive(Message& message, int timeout_ms);
  /// The next descriptor that came along, which is the caller's; -1 if there is none.
  int take_descriptor();

  struct Frame {
    uint32_t kind;
    uint32_t size;
  };

 private:
  Result read_some(int timeout_ms);

  int socket_ = -1;
  std::vector<uint8_t> buffer_;
  std::deque<int> descriptors_;
};

}  // namespace altrt::tuner
