#include "runtime/records/trial_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "runtime/base/hash.h"
#include "runtime/records/wire.h"

namespace altrt::records {
namespace {

constexpr double kSyncSeconds = 1;
constexpr uint32_t kMaxTrialBytes = 1 << 20;

struct TrialHeader {
  uint32_t bytes;
  uint32_t checksum;  // of the bytes that follow, seeded with their number
};

uint32_t checksum(const uint8_t* bytes, uint32_t size) {
  return static_cast<uint32_t>(base::hash_bytes(bytes, size, size));
}

std::string framed(const Trial& trial) {
  flatbuffers::FlatBufferBuilder builder;
  const auto decision = builder.CreateString(trial.decision);
  const auto reason = builder.CreateString(trial.reason);
  builder.Finish(wire::CreateTrial(builder, trial.task, decision, trial.ms, reason, trial.seconds));
  const std::span<const uint8_t> bytes = bytes_of(builder);
  const auto size = static_cast<uint32_t>(bytes.size());
  const TrialHeader header{size, checksum(bytes.data(), size)};
  std::string text(reinterpret_cast<const char*>(&header), sizeof header);
  return text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

bool read_trial(std::span<const uint8_t> bytes, Trial& trial) {
  // The log's entries lie at any address; tables want an aligned one.
  base::AlignedBuffer aligned(bytes.size());
  std::memcpy(aligned.data(), bytes.data(), bytes.size());
  const auto* table = verified<wire::Trial>({aligned.as<uint8_t>(), bytes.size()});
  if (!table || !std::isfinite(table->ms()) || table->ms() < 0 || !std::isfinite(table->seconds())) return false;
  trial = {table->task(), read(table->decision()), table->ms(), read(table->reason()), table->seconds()};
  return true;
}

}  // namespace

TrialLog::TrialLog(const std::string& path, const Fingerprint& fingerprint)
    : path_(path),
      descriptor_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600)) {
  struct stat status;
  if (!descriptor_.valid()) {
    trouble_ = system_message(errno);
  } else if (fstat(descriptor_.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    trouble_ = "not a plain file";
  } else if (flock(descriptor_.get(), LOCK_EX | LOCK_NB) != 0) {
    trouble_ = "another process is tuning the same";
  }
  if (!trouble_.empty()) {
    descriptor_ = Descriptor();
    return;
  }
  const size_t usable = read(fingerprint);
  if (ftruncate(descriptor_.get(), static_cast<off_t>(usable)) != 0 || lseek(descriptor_.get(), 0, SEEK_END) < 0) {
    trouble_ = system_message(errno);
    descriptor_ = Descriptor();
    return;
  }
  if (usable == 0) begin(fingerprint);
}

void TrialLog::begin(const Fingerprint& fingerprint) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(wire::CreateTrialLog(builder, write(builder, fingerprint)));
  const std::string header = frame(Kind::trial_log, bytes_of(builder));
  std::string trouble = write_all(descriptor_.get(), {reinterpret_cast<const uint8_t*>(header.data()), header.size()});
  if (trouble.empty()) trouble = write_all(descriptor_.get(), bytes_of(builder));
  if (trouble.empty()) return;
  trouble_ = trouble;
  descriptor_ = Descriptor();
}

size_t TrialLog::read(const Fingerprint& fingerprint) {
  const FileContent content = read_raw(path_, Trust::data);
  trouble_ = content.trouble;
  if (!content.file || content.bytes == 0) return 0;
  const std::span<const uint8_t> whole(content.file->as<uint8_t>(), content.bytes);
  trouble_ = check_frame(whole, Kind::trial_log, true);
  if (!trouble_.empty()) return 0;
  size_t at = kHeaderBytes + framed_bytes(whole);
  const auto* table = verified<wire::TrialLog>(whole.subspan(kHeaderBytes, at - kHeaderBytes));
  trouble_ = table ? difference(records::read(table->fingerprint()), fingerprint) : "malformed";
  if (!trouble_.empty()) return 0;
  while (at < whole.size()) {
    TrialHeader header;
    Trial trial;
    const size_t left = whole.size() - at;
    if (left < sizeof header) break;
    std::memcpy(&header, whole.data() + at, sizeof header);
    if (header.bytes == 0 || header.bytes > kMaxTrialBytes || header.bytes > left - sizeof header) break;
    const std::span<const uint8_t> bytes = whole.subspan(at + sizeof header, header.bytes);
    if (checksum(bytes.data(), header.bytes) != header.checksum || !read_trial(bytes, trial)) break;
    earlier_.push_back(std::move(trial));
    at += sizeof header + header.bytes;
  }
  if (at < whole.size()) trouble_ = "its end is torn: " + std::to_string(whole.size() - at) + " bytes dropped";
  return at;
}

void TrialLog::append(const Trial& trial) {
  if (!descriptor_.valid()) return;
  const std::string bytes = framed(trial);
  trouble_ = write_all(descriptor_.get(), {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  if (!trouble_.empty()) {
    descriptor_ = Descriptor();
    return;
  }
  if (since_sync_.seconds() < kSyncSeconds) return;
  fdatasync(descriptor_.get());
  since_sync_ = {};
}

void TrialLog::remove() {
  if (!descriptor_.valid()) return;
  unlink(path_.c_str());
  descriptor_ = Descriptor();
}

}  // namespace altrt::records
