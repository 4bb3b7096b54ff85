#include "tuner/worker/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace altrt::tuner {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kMostBytes = 1U << 30;
constexpr int kMostDescriptors = 8;  // that come with one read

// What is left of a time limit; -1 stays -1.
class Deadline {
 public:
  explicit Deadline(int timeout_ms)
      : forever_(timeout_ms < 0), end_(Clock::now() + std::chrono::milliseconds(timeout_ms)) {}
  int left_ms() const {
    if (forever_) return -1;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(left);
  }

 private:
  bool forever_;
  Clock::time_point end_;
};

// False when the time is up.
bool wait_for(int socket, short events, const Deadline& deadline) {
  for (;;) {
    pollfd waiting{socket, events, 0};
    const int ready = poll(&waiting, 1, deadline.left_ms());
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

void attach(msghdr& message, char* room, size_t size, int descriptor) {
  message.msg_control = room;
  message.msg_controllen = size;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
}

}  // namespace

Channel& Channel::operator=(Channel&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(buffer_, other.buffer_);
  std::swap(descriptors_, other.descriptors_);
  return *this;
}

Channel::~Channel() {
  for (const int descriptor : descriptors_) close(descriptor);
  if (socket_ >= 0) close(socket_);
}

Channel::Result Channel::send(uint32_t kind, std::span<const uint8_t> bytes, int timeout_ms, int descriptor) {
  const Deadline deadline(timeout_ms);
  const Frame frame{kind, static_cast<uint32_t>(bytes.size())};
  const size_t total = sizeof frame + bytes.size();
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  for (size_t sent = 0; sent < total;) {
    iovec parts[2];
    size_t count = 0;
    if (sent < sizeof frame) {
      parts[count++] = {const_cast<char*>(reinterpret_cast<const char*>(&frame)) + sent, sizeof frame - sent};
    }
    const size_t from = sent < sizeof frame ? 0 : sent - sizeof frame;
    if (from < bytes.size()) parts[count++] = {const_cast<uint8_t*>(bytes.data()) + from, bytes.size() - from};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    if (sent == 0 && descriptor >= 0) attach(message, control, sizeof control, descriptor);
    const ssize_t n = sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(socket_, POLLOUT, deadline)) return Result::timeout;
    } else if (errno != EINTR) {
      return Result::closed;
    }
  }
  return Result::done;
}

Channel::Result Channel::read_some(int timeout_ms) {
  constexpr size_t kRoom = 64 << 10;
  if (!wait_for(socket_, POLLIN, Deadline(timeout_ms))) return Result::timeout;
  const size_t before = buffer_.size();
  buffer_.resize(before + kRoom);
  iovec part{buffer_.data() + before, kRoom};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(socket_, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  buffer_.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
  if (n < 0) return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK ? Result::done : Result::closed;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + CMSG_LEN(0) < header->cmsg_len; at += sizeof(int)) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(header) + at, sizeof descriptor);
      descriptors_.push_back(descriptor);
    }
  }
  return n == 0 ? Result::closed : Result::done;
}

Channel::Result Channel::receive(Message& message, int timeout_ms) {
  const Deadline deadline(timeout_ms);
  for (;;) {
    if (buffer_.size() >= sizeof(Frame)) {
      Frame frame;
      std::memcpy(&frame, buffer_.data(), sizeof frame);
      if (frame.size > kMostBytes) return Result::closed;
      const size_t total = sizeof frame + frame.size;
      if (buffer_.size() >= total) {
        message.kind = frame.kind;
        message.bytes.assign(buffer_.begin() + sizeof frame, buffer_.begin() + static_cast<ptrdiff_t>(total));
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(total));
        return Result::done;
      }
    }
    const Result result = read_some(deadline.left_ms());
    if (result != Result::done) return result;
  }
}

int Channel::take_descriptor() {
  if (descriptors_.empty()) return -1;
  const int descriptor = descriptors_.front();
  descriptors_.pop_front();
  return descriptor;
}

}  // namespace altrt::tuner
