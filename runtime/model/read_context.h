// What a reading of one model carries along: where it stands, how much memory it may still take, and what it met that
// libaltrt cannot do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <altrt/error.h>

#include "runtime/base/deferred.h"
#include "runtime/base/text.h"

namespace altrt::model {

using base::quoted;

class ModelFile;

class ReadContext {
 public:
  /// `file` stands for the model in messages. `budget` is the number of bytes that decoded data may take together.
  /// Bytes of the model come from `source` where it is given: they need not be in memory.
  ReadContext(std::string file, uint64_t budget, const ModelFile* source = nullptr)
      : file_(std::move(file)), budget_(budget), source_(source) {}

  /// Throws Error(code) with "file: place: place: message".
  [[noreturn]] void fail(const std::string& message, ErrorCode code = ErrorCode::invalid_model) const;
  /// Remembers something well formed that libaltrt cannot do, so that all of them are named in one message by finish().
  void unsupported(const std::string& message);
  /// Throws Error(unsupported) if unsupported() was called.
  void finish() const;
  /// Takes `bytes` from the budget before they are allocated; Error(out_of_memory) when it does not suffice.
  void take(uint64_t bytes);
  /// Data outside the model file was found: decoded data may take as much more.
  void add_budget(uint64_t bytes) { budget_ += bytes; }

  /// Copies a part of the model's bytes. Error(io).
  void copy(std::string_view part, void* to) const;
  /// A part that is not in memory, to be read later; null for other parts.
  std::shared_ptr<base::DeferredBytes> deferred(std::string_view part) const;

  const std::string& file() const { return file_; }

  /// Adds a place to messages for as long as it lives.
  class Scope {
   public:
    Scope(ReadContext& context, std::string place) : context_(context) { context_.places_.push_back(std::move(place)); }
    ~Scope() { context_.places_.pop_back(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    ReadContext& context_;
  };

 private:
  std::string located(const std::string& message) const;

  std::string file_;
  uint64_t budget_;
  const ModelFile* source_;
  std::vector<std::string> places_;
  std::vector<std::string> unsupported_;
  size_t unsupported_count_ = 0;
};

}  // namespace altrt::model
