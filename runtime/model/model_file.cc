#include "runtime/model/model_file.h"

#include <altrt/error.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <protozero/types.hpp>
#include <protozero/varint.hpp>

#include "runtime/model/external_data.h"
#include "runtime/model/onnx_fields.h"

namespace altrt::model {
namespace {

using protozero::pbf_wire_type;

constexpr uint64_t kMostVarint = protozero::max_varint_length;

void read_exactly(const ModelFile::Source& source, const std::string& name, void* to, uint64_t offset, uint64_t bytes) {
  if (source(to, offset, bytes) != bytes) throw Error(ErrorCode::io, name + ": became shorter while it was read");
}

}  // namespace

/// Walks from field to field of ModelProto, its graph and the graph's initializers, each byte at most once and only
/// forward. What is malformed ends the walk: the parser will say so.
class Skimmer {
 public:
  Skimmer(ModelFile& file, uint64_t least_hole) : file_(file), least_hole_(least_hole) {}

  void run() {
    skim(file_.size_, kModel);
    file_.load_to(file_.size_);
  }

 private:
  enum Level { kModel, kGraph, kTensor };

  static bool leads_deeper(Level level, uint64_t field) {
    return (level == kModel && field == onnx::model_proto::graph) ||
           (level == kGraph && field == onnx::graph_proto::initializer);
  }

  bool varint(uint64_t end, uint64_t& value) {
    const uint64_t most = std::min(end, at_ + kMostVarint);
    if (most <= at_ || !file_.load_to(most)) return false;
    const char* from = file_.memory_.get() + at_;
    const char* const begin = from;
    try {
      value = protozero::decode_varint(&from, file_.memory_.get() + most);
    } catch (const protozero::exception&) {
      return false;
    }
    at_ += static_cast<uint64_t>(from - begin);
    return true;
  }

  bool skim(uint64_t end, Level level) {
    while (at_ < end) {
      uint64_t tag = 0, length = 0;
      if (!varint(end, tag)) return false;
      switch (static_cast<pbf_wire_type>(tag & 7)) {
        case pbf_wire_type::varint:
          if (!varint(end, length)) return false;
          continue;
        case pbf_wire_type::fixed64:
          length = 8;
          break;
        case pbf_wire_type::fixed32:
          length = 4;
          break;
        case pbf_wire_type::length_delimited:
          if (!varint(end, length) || length > end - at_) return false;
          if (leads_deeper(level, tag >> 3)) {
            if (!skim(at_ + length, static_cast<Level>(level + 1))) return false;
            continue;
          }
          if (level == kTensor && tag >> 3 == onnx::tensor_proto::raw_data && length >= least_hole_) {
            leave_out(length);
          }
          break;
        default:
          return false;
      }
      if (length > end - at_) return false;
      at_ += length;
    }
    return true;
  }

  void leave_out(uint64_t length) {
    if (at_ + length <= file_.loaded_) return;  // came along with what was read before
    file_.holes_.emplace_back(file_.memory_.get() + at_, length);
    file_.loaded_ = at_ + length;
  }

  ModelFile& file_;
  const uint64_t least_hole_;
  uint64_t at_ = 0;
};

ModelFile ModelFile::open(const std::string& path, uint64_t limit) {
  const auto fail = [&](const std::string& why, ErrorCode code = ErrorCode::io) {
    throw Error(code, path + ": " + why);
  };
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) fail(std::string("cannot open: ") + std::strerror(errno));
  File opened(descriptor);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail(std::string("cannot examine: ") + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail("is not a regular file");
  const auto file = std::make_shared<const SourceFile>(std::move(opened), status, path);
  const uint64_t size = file->size();
  if (size > limit) {
    fail("has " + std::to_string(size) + " bytes, more than the limit of " + std::to_string(limit),
         ErrorCode::out_of_memory);
  }
  const Source source = [file](void* to, uint64_t offset, uint64_t bytes) { return file->read(to, offset, bytes); };
  return ModelFile(source, size, path);
}

ModelFile::ModelFile(Source source, uint64_t size, std::string name, uint64_t least_hole)
    : source_(std::move(source)), name_(std::move(name)), size_(size), ahead_(least_hole / 2) {
  if (size == 0) return;
  // Pages that nobody touches, those of the holes, take no memory.
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw Error(ErrorCode::out_of_memory, name_ + ": no memory for its " + std::to_string(size) + " bytes");
  }
  memory_.reset(static_cast<char*>(memory), [size](char* mapping) { ::munmap(mapping, size); });
  Skimmer(*this, least_hole).run();
}

bool ModelFile::load_to(uint64_t end) {
  if (end <= loaded_) return true;
  const uint64_t want = std::min(size_, std::max(end, loaded_ + ahead_)) - loaded_;
  loaded_ += source_(memory_.get() + loaded_, loaded_, want);
  return end <= loaded_;
}

void ModelFile::copy(std::string_view part, void* to) const {
  const auto hole = std::find_if(holes_.begin(), holes_.end(), [&](std::string_view h) {
    return part.data() < h.data() + h.size() && h.data() < part.data() + part.size();
  });
  if (hole == holes_.end()) {
    std::memcpy(to, part.data(), part.size());
    return;
  }
  read_exactly(source_, name_, to, static_cast<uint64_t>(part.data() - memory_.get()), part.size());
}

std::shared_ptr<base::DeferredBytes> ModelFile::deferred(std::string_view part) const {
  const auto same = [&](std::string_view hole) { return hole.data() == part.data() && hole.size() == part.size(); };
  if (std::none_of(holes_.begin(), holes_.end(), same)) return nullptr;
  const auto start = static_cast<uint64_t>(part.data() - memory_.get());
  const auto read = [source = source_, name = name_, start](void* to, size_t offset, size_t size) {
    read_exactly(source, name, to, start + offset, size);
  };
  return std::make_shared<base::DeferredBytes>(part.size(), read);
}

}  // namespace altrt::model
