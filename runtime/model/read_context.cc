#include "runtime/model/read_context.h"

#include <cstring>

#include "runtime/model/model_file.h"

namespace altrt::model {

namespace {
constexpr size_t kMostReports = 32;
}  // namespace

std::string ReadContext::located(const std::string& message) const {
  std::string text;
  for (const auto& place : places_) text += place + ": ";
  return text + message;
}

void ReadContext::fail(const std::string& message, ErrorCode code) const {
  throw Error(code, file_ + ": " + located(message));
}

void ReadContext::unsupported(const std::string& message) {
  if (++unsupported_count_ <= kMostReports) unsupported_.push_back(located(message));
}

void ReadContext::finish() const {
  if (unsupported_.empty()) return;
  std::string text = file_ + ": not supported: ";
  for (size_t i = 0; i < unsupported_.size(); ++i) text += (i ? "; " : "") + unsupported_[i];
  if (unsupported_count_ > kMostReports) text += "; and " + std::to_string(unsupported_count_ - kMostReports) + " more";
  throw Error(ErrorCode::unsupported, text);
}

void ReadContext::copy(std::string_view part, void* to) const {
  if (source_) return source_->copy(part, to);
  std::memcpy(to, part.data(), part.size());
}

std::shared_ptr<base::DeferredBytes> ReadContext::deferred(std::string_view part) const {
  return source_ ? source_->deferred(part) : nullptr;
}

void ReadContext::take(uint64_t bytes) {
  if (bytes > budget_) {
    fail("decoded data would take " + std::to_string(bytes) + " bytes more, out of proportion to the file",
         ErrorCode::out_of_memory);
  }
  budget_ -= bytes;
}

}  // namespace altrt::model
